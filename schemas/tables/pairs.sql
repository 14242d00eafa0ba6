CREATE TABLE pairs (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, split VARCHAR NOT NULL,
    recording_row BIGINT NOT NULL, cine_row BIGINT NOT NULL,
    visit_date DATE, gap_days INTEGER, trait_count SMALLINT NOT NULL,
    PRIMARY KEY (eid, instance)
);
COMMENT ON TABLE pairs IS 'Visits with a usable ECG and a usable cine of the same visit: what training reads.';
COMMENT ON COLUMN pairs.eid IS 'Participant';
COMMENT ON COLUMN pairs.instance IS 'Visit';
COMMENT ON COLUMN pairs.split IS 'train, val or test';
COMMENT ON COLUMN pairs.recording_row IS 'Slot in data/ecg.zarr';
COMMENT ON COLUMN pairs.cine_row IS 'Slot in data/cine.zarr';
COMMENT ON COLUMN pairs.visit_date IS 'Date of the visit';
COMMENT ON COLUMN pairs.gap_days IS 'Days between the ECG''s own date and the visit''s date; null where either is unknown';
COMMENT ON COLUMN pairs.trait_count IS 'How many of the 82 traits the visit has';
