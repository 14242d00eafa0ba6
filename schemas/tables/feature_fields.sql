CREATE TABLE feature_fields (
    feature_view VARCHAR NOT NULL, field VARCHAR NOT NULL, "type" VARCHAR NOT NULL, dimension INTEGER, unit VARCHAR,
    description VARCHAR NOT NULL, PRIMARY KEY (feature_view, field)
);
COMMENT ON TABLE feature_fields IS 'Fields of the feature views, as declared in schemas/features, with the dimension found in this store.';
COMMENT ON COLUMN feature_fields.feature_view IS 'Feature view';
COMMENT ON COLUMN feature_fields.field IS 'Column of the view';
COMMENT ON COLUMN feature_fields."type" IS 'DuckDB''s type; vector for embeddings';
COMMENT ON COLUMN feature_fields.dimension IS 'Length of the vectors; null for other fields, and where runs differ';
COMMENT ON COLUMN feature_fields.unit IS 'Unit; null where there is none';
COMMENT ON COLUMN feature_fields.description IS 'Content of the field';
