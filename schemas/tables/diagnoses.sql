CREATE TABLE diagnoses (
    eid BIGINT NOT NULL, code VARCHAR NOT NULL, "date" DATE, date_status VARCHAR NOT NULL,
    source VARCHAR NOT NULL, field_id INTEGER NOT NULL, instance TINYINT NOT NULL, array_index SMALLINT NOT NULL
);
COMMENT ON TABLE diagnoses IS 'Every ICD-10 code of a participant from hospital records, death certificates and first occurrences, with its date.';
COMMENT ON COLUMN diagnoses.eid IS 'Participant';
COMMENT ON COLUMN diagnoses.code IS 'ICD-10 code without dot';
COMMENT ON COLUMN diagnoses."date" IS 'Date of the event; null where unknown';
COMMENT ON COLUMN diagnoses.date_status IS 'known, or unknown where the source gives none or a placeholder (coding 819)';
COMMENT ON COLUMN diagnoses.source IS 'hospital, death or first_occurrence';
COMMENT ON COLUMN diagnoses.field_id IS 'Field that held the code';
COMMENT ON COLUMN diagnoses.instance IS 'Instance of that field';
COMMENT ON COLUMN diagnoses.array_index IS 'Array index of that field';
