CREATE TABLE retrieval (
    arm VARCHAR NOT NULL, arm_group VARCHAR NOT NULL, seed INTEGER NOT NULL, run VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
    task VARCHAR NOT NULL, split VARCHAR NOT NULL, direction VARCHAR NOT NULL, n BIGINT NOT NULL,
    recall_at_1 DOUBLE, recall_at_5 DOUBLE, recall_at_10 DOUBLE, median_rank DOUBLE,
    chance_at_1 DOUBLE, chance_at_5 DOUBLE, chance_at_10 DOUBLE, chance_median_rank DOUBLE
);
COMMENT ON TABLE retrieval IS 'How well an ECG finds the cine of its own visit among all pairs of a split, and a cine its ECG, in every run with a shared space.';
COMMENT ON COLUMN retrieval.arm IS 'Arm of experiments/arms.yaml';
COMMENT ON COLUMN retrieval.arm_group IS 'table: a row of the paper; beyond: not in the paper; figure_2b: a point of figure 2b';
COMMENT ON COLUMN retrieval.seed IS 'Seed of the experiment';
COMMENT ON COLUMN retrieval.run IS 'Run whose projections were compared';
COMMENT ON COLUMN retrieval.run_id IS 'Content id of that run';
COMMENT ON COLUMN retrieval.task IS 'Task the run was trained on';
COMMENT ON COLUMN retrieval.split IS 'val or test: the pairs that are searched';
COMMENT ON COLUMN retrieval.direction IS 'ecg_to_cmr or cmr_to_ecg';
COMMENT ON COLUMN retrieval.n IS 'Pairs that are searched; another visit of the same participant counts as another participant';
COMMENT ON COLUMN retrieval.recall_at_1 IS 'Share of visits whose own partner is the nearest';
COMMENT ON COLUMN retrieval.recall_at_5 IS 'Share of visits whose own partner is among the 5 nearest';
COMMENT ON COLUMN retrieval.recall_at_10 IS 'Share of visits whose own partner is among the 10 nearest';
COMMENT ON COLUMN retrieval.median_rank IS 'Median rank of the own partner, from 1; equally near ones share the mean of their ranks';
COMMENT ON COLUMN retrieval.chance_at_1 IS 'recall_at_1 expected by chance';
COMMENT ON COLUMN retrieval.chance_at_5 IS 'recall_at_5 expected by chance';
COMMENT ON COLUMN retrieval.chance_at_10 IS 'recall_at_10 expected by chance';
COMMENT ON COLUMN retrieval.chance_median_rank IS 'Median rank expected by chance';
