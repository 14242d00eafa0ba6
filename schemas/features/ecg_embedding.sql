CREATE TABLE features.ecg_embedding (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL, split VARCHAR NOT NULL,
    data_version VARCHAR NOT NULL, array_row BIGINT NOT NULL, "vector" {vector}
);
COMMENT ON TABLE features.ecg_embedding IS 'ECG encoder features of every visit with an ECG, before projection; from the align stages.';
COMMENT ON COLUMN features.ecg_embedding."eid" IS 'Participant';
COMMENT ON COLUMN features.ecg_embedding."instance" IS 'Visit';
COMMENT ON COLUMN features.ecg_embedding."run" IS 'Run that wrote the row';
COMMENT ON COLUMN features.ecg_embedding."run_id" IS 'Content id of that run';
COMMENT ON COLUMN features.ecg_embedding."split" IS 'Split the visit was in when the model was trained: train rows flatter the model';
COMMENT ON COLUMN features.ecg_embedding."array_row" IS 'Slot of the array the row was computed from';
COMMENT ON COLUMN features.ecg_embedding."data_version" IS 'Data version the row was computed on';
COMMENT ON COLUMN features.ecg_embedding."vector" IS 'ECG encoder features';
