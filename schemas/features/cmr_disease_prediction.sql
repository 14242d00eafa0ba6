CREATE TABLE features.cmr_disease_prediction (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL, split VARCHAR NOT NULL,
    data_version VARCHAR NOT NULL, array_row BIGINT NOT NULL, code VARCHAR NOT NULL, probability DOUBLE NOT NULL, logit DOUBLE NOT NULL
);
COMMENT ON TABLE features.cmr_disease_prediction IS 'Disease probabilities predicted from the cine by the supervised CMR encoders (row CMR_Sup).';
COMMENT ON COLUMN features.cmr_disease_prediction."eid" IS 'Participant';
COMMENT ON COLUMN features.cmr_disease_prediction."instance" IS 'Visit';
COMMENT ON COLUMN features.cmr_disease_prediction."run" IS 'Run that wrote the row';
COMMENT ON COLUMN features.cmr_disease_prediction."run_id" IS 'Content id of that run';
COMMENT ON COLUMN features.cmr_disease_prediction."split" IS 'Split the visit was in when the model was trained: train rows flatter the model';
COMMENT ON COLUMN features.cmr_disease_prediction."array_row" IS 'Slot of the array the row was computed from';
COMMENT ON COLUMN features.cmr_disease_prediction."data_version" IS 'Data version the row was computed on';
COMMENT ON COLUMN features.cmr_disease_prediction."code" IS 'ICD-10 block';
COMMENT ON COLUMN features.cmr_disease_prediction."probability" IS 'Predicted probability; trained on enriched epochs, so not calibrated to the prevalence';
COMMENT ON COLUMN features.cmr_disease_prediction."logit" IS 'Predicted log-odds';
