CREATE TABLE features.ecg_projection (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL, split VARCHAR NOT NULL,
    data_version VARCHAR NOT NULL, array_row BIGINT NOT NULL, "vector" {vector}
);
COMMENT ON TABLE features.ecg_projection IS 'ECG embedding in the space shared with CMR, L2-normalised; from the align stages.';
COMMENT ON COLUMN features.ecg_projection."eid" IS 'Participant';
COMMENT ON COLUMN features.ecg_projection."instance" IS 'Visit';
COMMENT ON COLUMN features.ecg_projection."run" IS 'Run that wrote the row';
COMMENT ON COLUMN features.ecg_projection."run_id" IS 'Content id of that run';
COMMENT ON COLUMN features.ecg_projection."split" IS 'Split the visit was in when the model was trained: train rows flatter the model';
COMMENT ON COLUMN features.ecg_projection."array_row" IS 'Slot of the array the row was computed from';
COMMENT ON COLUMN features.ecg_projection."data_version" IS 'Data version the row was computed on';
COMMENT ON COLUMN features.ecg_projection."vector" IS 'Shared-space vector of the ECG, length 1';
