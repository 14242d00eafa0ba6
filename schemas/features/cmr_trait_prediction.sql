CREATE TABLE features.cmr_trait_prediction (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL, split VARCHAR NOT NULL,
    data_version VARCHAR NOT NULL, array_row BIGINT NOT NULL, field_id INTEGER NOT NULL, "value" DOUBLE NOT NULL
);
COMMENT ON TABLE features.cmr_trait_prediction IS 'The 82 traits predicted from the cine by the supervised CMR encoder (row CMR_Sup).';
COMMENT ON COLUMN features.cmr_trait_prediction."eid" IS 'Participant';
COMMENT ON COLUMN features.cmr_trait_prediction."instance" IS 'Visit';
COMMENT ON COLUMN features.cmr_trait_prediction."run" IS 'Run that wrote the row';
COMMENT ON COLUMN features.cmr_trait_prediction."run_id" IS 'Content id of that run';
COMMENT ON COLUMN features.cmr_trait_prediction."split" IS 'Split the visit was in when the model was trained: train rows flatter the model';
COMMENT ON COLUMN features.cmr_trait_prediction."array_row" IS 'Slot of the array the row was computed from';
COMMENT ON COLUMN features.cmr_trait_prediction."data_version" IS 'Data version the row was computed on';
COMMENT ON COLUMN features.cmr_trait_prediction."field_id" IS 'UK Biobank field, 24100 to 24181';
COMMENT ON COLUMN features.cmr_trait_prediction."value" IS 'Predicted value in the trait''s unit';
