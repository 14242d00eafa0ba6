CREATE TABLE features.cmr_teacher (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL, split VARCHAR NOT NULL,
    data_version VARCHAR NOT NULL, array_row BIGINT NOT NULL, augmentation SMALLINT NOT NULL,
    teacher_key VARCHAR NOT NULL, "vector" {vector}
);
COMMENT ON TABLE features.cmr_teacher IS 'Frozen CMR encoder features of augmented views: the cache that align reads; from the pretrain_cmr stages.';
COMMENT ON COLUMN features.cmr_teacher."eid" IS 'Participant';
COMMENT ON COLUMN features.cmr_teacher."instance" IS 'Visit';
COMMENT ON COLUMN features.cmr_teacher."run" IS 'Run that wrote the row';
COMMENT ON COLUMN features.cmr_teacher."run_id" IS 'Content id of that run';
COMMENT ON COLUMN features.cmr_teacher."split" IS 'Split the visit was in when the model was trained: train rows flatter the model';
COMMENT ON COLUMN features.cmr_teacher."array_row" IS 'Slot of the array the row was computed from';
COMMENT ON COLUMN features.cmr_teacher."data_version" IS 'Data version the row was computed on';
COMMENT ON COLUMN features.cmr_teacher."augmentation" IS 'Number of the augmented view';
COMMENT ON COLUMN features.cmr_teacher."teacher_key" IS 'Content id of the cache: weights, transform, views and data version of the frozen encoder';
COMMENT ON COLUMN features.cmr_teacher."vector" IS 'CMR encoder features of that view';
