CREATE TABLE feature_views (
    feature_view VARCHAR NOT NULL PRIMARY KEY, description VARCHAR NOT NULL, entity VARCHAR NOT NULL, modality VARCHAR,
    stage VARCHAR NOT NULL, owner VARCHAR NOT NULL, key_field VARCHAR, default_run VARCHAR, is_cache BOOLEAN NOT NULL
);
COMMENT ON TABLE feature_views IS 'Registry of the feature views, as declared in schemas/features.';
COMMENT ON COLUMN feature_views.feature_view IS 'Name: a table or view in the schema features';
COMMENT ON COLUMN feature_views.description IS 'Content of the view';
COMMENT ON COLUMN feature_views.entity IS 'What a row describes: visit, or participant where rows are dated events';
COMMENT ON COLUMN feature_views.modality IS 'Array it is computed from: ecg or cine; null where there is none';
COMMENT ON COLUMN feature_views.stage IS 'Stage that writes it; ingest for a view over the cohort''s own tables';
COMMENT ON COLUMN feature_views.owner IS 'Team or person responsible for it';
COMMENT ON COLUMN feature_views.key_field IS 'Column that distinguishes several rows of one visit; null if a visit has one row';
COMMENT ON COLUMN feature_views.default_run IS 'Run that a reference without @run means; null for source views. {key} stands for the key''s value';
COMMENT ON COLUMN feature_views.is_cache IS 'True for what only training reads';
