CREATE TABLE associations (
    analysis VARCHAR NOT NULL, outcome VARCHAR NOT NULL, predictor VARCHAR NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
    data_version VARCHAR NOT NULL, "split" VARCHAR NOT NULL, definition VARCHAR, n BIGINT NOT NULL, events BIGINT, person_years DOUBLE,
    measure VARCHAR NOT NULL, estimate DOUBLE, ci_lower DOUBLE, ci_upper DOUBLE, standard_error DOUBLE, statistic DOUBLE, p DOUBLE, q DOUBLE,
    ph_p DOUBLE, adjusted_for VARCHAR NOT NULL, note VARCHAR NOT NULL,
    PRIMARY KEY (analysis, outcome, predictor, "split")
);
COMMENT ON TABLE associations IS 'Associations of predictions from the ECG with measured traits, diseases and later diagnoses (eccl associations): one regression of one split per row, one visit per participant.';
COMMENT ON COLUMN associations.analysis IS 'trait: measured on predicted trait, linear; disease: label on predicted logit, logistic; incident: first diagnosis after the visit on a predicted trait, Cox (Efron)';
COMMENT ON COLUMN associations.outcome IS 'Short name of the measured trait, or ICD-10 block of the disease';
COMMENT ON COLUMN associations.predictor IS 'Short name of the predicted trait, or ICD-10 block of the predicted disease';
COMMENT ON COLUMN associations.run IS 'Run that predicted';
COMMENT ON COLUMN associations.run_id IS 'Content id of that run';
COMMENT ON COLUMN associations.data_version IS 'Data version of outcomes and covariates';
COMMENT ON COLUMN associations."split" IS 'Split of the participants: val or test; a call writes one of them and keeps the other''s rows if they are of the same runs and the same data';
COMMENT ON COLUMN associations.definition IS 'Label definition of a disease; null for the other analyses';
COMMENT ON COLUMN associations.n IS 'Participants in the regression: each with the first visit that has an ECG and a cine, complete in outcome, predictor and covariates';
COMMENT ON COLUMN associations.events IS 'Cases (disease) or first diagnoses after the visit (incident); null for traits';
COMMENT ON COLUMN associations.person_years IS 'Time from the visit to the diagnosis, the death, the loss to follow-up or the end of follow-up (see note); null for the other analyses';
COMMENT ON COLUMN associations.measure IS 'difference (SD of the trait per SD of the prediction), odds ratio or hazard ratio (per SD of the prediction). Hazard ratios are cause-specific: death and loss to follow-up censor, other diagnoses do not';
COMMENT ON COLUMN associations.estimate IS 'The measure; null where it could not be estimated, see note';
COMMENT ON COLUMN associations.ci_lower IS 'Lower bound of its 95 % interval';
COMMENT ON COLUMN associations.ci_upper IS 'Upper bound of its 95 % interval';
COMMENT ON COLUMN associations.standard_error IS 'Of the regression''s coefficient: of the logarithm of a ratio';
COMMENT ON COLUMN associations.statistic IS 'Coefficient over its standard error: t (trait) or z';
COMMENT ON COLUMN associations.p IS 'Two-sided p of the coefficient';
COMMENT ON COLUMN associations.q IS 'p adjusted by Benjamini and Hochberg among the rows of the same analysis and split';
COMMENT ON COLUMN associations.ph_p IS 'p of the test of proportional hazards: scaled Schoenfeld residuals of the predictor against the rank of the event time, not adjusted for the number of tests. Below 0.05 the ratio changes over follow-up, see note; null for the other analyses and without an estimate';
COMMENT ON COLUMN associations.adjusted_for IS 'Covariates, comma-separated; BSA is the body surface area after Mosteller, from height and weight';
COMMENT ON COLUMN associations.note IS 'Why there is no estimate, which terms were omitted, whether hazards are not proportional, and, for incident rows, the end of follow-up; empty if there is no remark';
