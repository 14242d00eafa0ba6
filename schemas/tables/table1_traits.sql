CREATE TABLE table1_traits (
    arm VARCHAR NOT NULL, arm_group VARCHAR NOT NULL, seed INTEGER NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
    split VARCHAR NOT NULL, field_id INTEGER NOT NULL, short_name VARCHAR, n BIGINT NOT NULL, r DOUBLE, r2 DOUBLE, mae DOUBLE
);
COMMENT ON TABLE table1_traits IS 'Scores of every trait, for every run of the experiment table that predicts traits, on validation and test.';
COMMENT ON COLUMN table1_traits.arm IS 'Arm of experiments/arms.yaml';
COMMENT ON COLUMN table1_traits.arm_group IS 'table: a row of the paper; beyond: not in the paper; figure_2b: a point of figure 2b';
COMMENT ON COLUMN table1_traits.seed IS 'Seed of the experiment';
COMMENT ON COLUMN table1_traits.run IS 'Run whose predictions were scored';
COMMENT ON COLUMN table1_traits.run_id IS 'Content id of that run';
COMMENT ON COLUMN table1_traits.split IS 'val, which chose the epochs, or test';
COMMENT ON COLUMN table1_traits.field_id IS 'UK Biobank field of the trait';
COMMENT ON COLUMN table1_traits.short_name IS 'Short name of the trait';
COMMENT ON COLUMN table1_traits.n IS 'Visits where the trait was measured and predicted';
COMMENT ON COLUMN table1_traits.r IS 'Pearson correlation; null where it is not defined';
COMMENT ON COLUMN table1_traits.r2 IS 'Share of variance explained; below 0 is worse than the mean; null where it is not defined';
COMMENT ON COLUMN table1_traits.mae IS 'Mean absolute error in the trait''s unit; null without a visit';
