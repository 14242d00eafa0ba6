CREATE TABLE table1_scores (
    arm VARCHAR NOT NULL, arm_group VARCHAR NOT NULL, seed INTEGER NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
    split VARCHAR NOT NULL, task VARCHAR NOT NULL, trained_on VARCHAR NOT NULL, metric VARCHAR NOT NULL, "value" DOUBLE,
    n BIGINT NOT NULL, cases BIGINT, participants BIGINT NOT NULL
);
COMMENT ON TABLE table1_scores IS 'Every score of every run of the experiment table, on validation and test: the source of Table 1.';
COMMENT ON COLUMN table1_scores.arm IS 'Arm of experiments/arms.yaml';
COMMENT ON COLUMN table1_scores.arm_group IS 'table: a row of the paper; beyond: not in the paper; figure_2b: a point of figure 2b';
COMMENT ON COLUMN table1_scores.seed IS 'Seed of the experiment';
COMMENT ON COLUMN table1_scores.run IS 'Run whose predictions were scored';
COMMENT ON COLUMN table1_scores.run_id IS 'Content id of that run';
COMMENT ON COLUMN table1_scores.split IS 'val, which chose the epochs, or test';
COMMENT ON COLUMN table1_scores.task IS 'What was scored: traits, or a disease by its ICD-10 block';
COMMENT ON COLUMN table1_scores.trained_on IS 'Task of the run: the same, or all for a network of every task';
COMMENT ON COLUMN table1_scores.metric IS 'Diseases: auc, average_precision, brier, calibration_intercept (0 is right), calibration_slope (1 is right), ece; traits: mean_r, mean_r2, and mean_mae_sd, the mean absolute error in standard deviations of the measured trait';
COMMENT ON COLUMN table1_scores."value" IS 'Value of the metric; null where it is not defined, as the AUC of a split without cases';
COMMENT ON COLUMN table1_scores.n IS 'Visits with a known target';
COMMENT ON COLUMN table1_scores.cases IS 'Visits with the disease; null for traits';
COMMENT ON COLUMN table1_scores.participants IS 'Participants behind these visits';
