CREATE TABLE data_versions (
    data_version VARCHAR NOT NULL, dvc_md5 VARCHAR, git_commit VARCHAR, recorded_at TIMESTAMP, is_current BOOLEAN NOT NULL,
    participants BIGINT, recordings BIGINT, cines BIGINT, quarantined BIGINT, deleted_on DATE
);
COMMENT ON TABLE data_versions IS 'Versions of data/ in the history of data.dvc, and the one in the workspace.';
COMMENT ON COLUMN data_versions.data_version IS 'Content id of data/: a hash of its tables, which hold every array slot''s checksum';
COMMENT ON COLUMN data_versions.dvc_md5 IS 'DVC''s hash of data/; null where not recorded with DVC';
COMMENT ON COLUMN data_versions.git_commit IS 'Commit that recorded it; null where not committed';
COMMENT ON COLUMN data_versions.recorded_at IS 'Date of that commit, UTC';
COMMENT ON COLUMN data_versions.is_current IS 'True for the version this store was published from';
COMMENT ON COLUMN data_versions.participants IS 'Participants in it';
COMMENT ON COLUMN data_versions.recordings IS 'ECGs in it';
COMMENT ON COLUMN data_versions.cines IS 'Cines in it';
COMMENT ON COLUMN data_versions.quarantined IS 'Files and rows in quarantine';
COMMENT ON COLUMN data_versions.deleted_on IS 'Date of the withdrawal that purged it from cache and remote: it cannot be restored completely; null otherwise';
