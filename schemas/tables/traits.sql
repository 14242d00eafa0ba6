CREATE TABLE traits (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, field_id INTEGER NOT NULL, "value" DOUBLE NOT NULL
);
COMMENT ON TABLE traits IS 'The 82 cardiac MR phenotypes of category 157, long; a missing trait has no row. Names and units are in fields.';
COMMENT ON COLUMN traits.eid IS 'Participant';
COMMENT ON COLUMN traits.instance IS 'Visit';
COMMENT ON COLUMN traits.field_id IS 'UK Biobank field, 24100 to 24181';
COMMENT ON COLUMN traits."value" IS 'Value in the unit of fields.units';
