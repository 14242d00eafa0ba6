CREATE TABLE fields (
    field_id INTEGER NOT NULL PRIMARY KEY, title VARCHAR NOT NULL, short_name VARCHAR, units VARCHAR,
    value_type VARCHAR NOT NULL, category INTEGER, coding INTEGER, trait_index SMALLINT
);
COMMENT ON TABLE fields IS 'UK Biobank''s dictionary for the fields this store uses.';
COMMENT ON COLUMN fields.field_id IS 'UK Biobank field';
COMMENT ON COLUMN fields.title IS 'Title in the showcase';
COMMENT ON COLUMN fields.short_name IS 'Short column name used by the wide views';
COMMENT ON COLUMN fields.units IS 'Unit';
COMMENT ON COLUMN fields.value_type IS 'Value type of the dictionary';
COMMENT ON COLUMN fields.category IS 'Showcase category';
COMMENT ON COLUMN fields.coding IS 'Data coding; null where values are not coded';
COMMENT ON COLUMN fields.trait_index IS 'Position among the 82 traits, 0 to 81; null for other fields';
