CREATE TABLE features.cmr_embedding (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL, split VARCHAR NOT NULL,
    data_version VARCHAR NOT NULL, array_row BIGINT NOT NULL, "vector" {vector}
);
COMMENT ON TABLE features.cmr_embedding IS 'Features of the supervised CMR encoder for every visit with a cine; from the pretrain_cmr stages.';
COMMENT ON COLUMN features.cmr_embedding."eid" IS 'Participant';
COMMENT ON COLUMN features.cmr_embedding."instance" IS 'Visit';
COMMENT ON COLUMN features.cmr_embedding."run" IS 'Run that wrote the row';
COMMENT ON COLUMN features.cmr_embedding."run_id" IS 'Content id of that run';
COMMENT ON COLUMN features.cmr_embedding."split" IS 'Split the visit was in when the model was trained: train rows flatter the model';
COMMENT ON COLUMN features.cmr_embedding."array_row" IS 'Slot of the array the row was computed from';
COMMENT ON COLUMN features.cmr_embedding."data_version" IS 'Data version the row was computed on';
COMMENT ON COLUMN features.cmr_embedding."vector" IS 'CMR encoder features of the clean view';
