CREATE TABLE table1_rows (
    arm VARCHAR NOT NULL, title VARCHAR NOT NULL, arm_group VARCHAR NOT NULL, task VARCHAR NOT NULL, split VARCHAR NOT NULL,
    metric VARCHAR NOT NULL, status VARCHAR NOT NULL, n BIGINT, cases BIGINT, participants BIGINT,
    seeds INTEGER NOT NULL, seeds_expected INTEGER NOT NULL, mean DOUBLE, sd DOUBLE, lower DOUBLE, upper DOUBLE, resamples INTEGER,
    paper DOUBLE, reference VARCHAR NOT NULL, difference DOUBLE, difference_lower DOUBLE, difference_upper DOUBLE, p DOUBLE, q DOUBLE,
    paired_seeds INTEGER, is_best BOOLEAN NOT NULL, data_version VARCHAR NOT NULL, preset VARCHAR NOT NULL
);
COMMENT ON TABLE table1_rows IS 'Table 1: every arm in every column, mean and spread over seeds, the paper''s figure, and the paired difference to the reference arm.';
COMMENT ON COLUMN table1_rows.arm IS 'Arm of experiments/arms.yaml';
COMMENT ON COLUMN table1_rows.title IS 'Name of the arm in the table';
COMMENT ON COLUMN table1_rows.arm_group IS 'table: a row of the paper; beyond: not in the paper; figure_2b: a point of figure 2b';
COMMENT ON COLUMN table1_rows.task IS 'Column: traits, or a disease by its ICD-10 block';
COMMENT ON COLUMN table1_rows.split IS 'val, which chose the epochs, or test';
COMMENT ON COLUMN table1_rows.metric IS 'auc or mean_r, which the table prints, or one of the others in table1_scores';
COMMENT ON COLUMN table1_rows.status IS 'scored; incomplete: some seeds are not trained; not run; not asked for: not among the requested arms or tasks; not covered: the arm has no such task; undefined: the split has one class only, or a prediction is not a number';
COMMENT ON COLUMN table1_rows.n IS 'Visits with a known target';
COMMENT ON COLUMN table1_rows.cases IS 'Visits with the disease; null for traits';
COMMENT ON COLUMN table1_rows.participants IS 'Participants behind these visits';
COMMENT ON COLUMN table1_rows.seeds IS 'Seeds that were trained and scored';
COMMENT ON COLUMN table1_rows.seeds_expected IS 'Requested seeds; 0 where the arm has no such task';
COMMENT ON COLUMN table1_rows.mean IS 'Mean over seeds; null unless every scored seed has a value';
COMMENT ON COLUMN table1_rows.sd IS 'Standard deviation between seeds; null with one seed';
COMMENT ON COLUMN table1_rows.lower IS 'Lower 95 % bound of the mean, by resampling participants';
COMMENT ON COLUMN table1_rows.upper IS 'Upper 95 % bound of the mean';
COMMENT ON COLUMN table1_rows.resamples IS 'Resamples in which the score is defined';
COMMENT ON COLUMN table1_rows.paper IS 'Value in Table 1 of Ding et al. 2024; null on validation, for other metrics and beyond the paper';
COMMENT ON COLUMN table1_rows.reference IS 'Arm that the others are compared with';
COMMENT ON COLUMN table1_rows.difference IS 'Mean over shared seeds of the score less the reference''s; null for the reference itself';
COMMENT ON COLUMN table1_rows.difference_lower IS 'Lower 95 % bound of the difference, over the same resamples of participants for both';
COMMENT ON COLUMN table1_rows.difference_upper IS 'Upper 95 % bound of the difference';
COMMENT ON COLUMN table1_rows.p IS 'Two-sided p of no difference between the arms, trained with other seeds and scored on other participants: bootstrap variance of the participants plus that between seeds, pooled over the arms of the column and split; null where no arm has two seeds; not corrected for the number of comparisons';
COMMENT ON COLUMN table1_rows.q IS 'p adjusted by Benjamini and Hochberg among the arms that compete with the reference in the same column and split, null for the others; expected share of false ones among the differences that have this q or a smaller one';
COMMENT ON COLUMN table1_rows.paired_seeds IS 'Seeds that both arms have: what the difference is taken over';
COMMENT ON COLUMN table1_rows.is_best IS 'Whether the arm has the highest mean on validation in this column, among arms that read the ECG and have all their seeds';
COMMENT ON COLUMN table1_rows.data_version IS 'Data version that was scored';
COMMENT ON COLUMN table1_rows.preset IS 'Preset of params.yaml';
