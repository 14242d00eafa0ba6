CREATE TABLE release (
    name VARCHAR NOT NULL, published_at TIMESTAMP NOT NULL, data_version VARCHAR NOT NULL, package_version VARCHAR NOT NULL
);
COMMENT ON TABLE release IS 'This release of the store: one row.';
COMMENT ON COLUMN release.name IS 'Name of the release: its date, and a number where a day has several';
COMMENT ON COLUMN release.published_at IS 'When it was published, UTC';
COMMENT ON COLUMN release.data_version IS 'Data version it shows';
COMMENT ON COLUMN release.package_version IS 'Version of this package that built it';
