CREATE TABLE materializations (
    run VARCHAR NOT NULL, run_id VARCHAR NOT NULL, data_version VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    gate_status VARCHAR, gate_sha256 VARCHAR, gate_override VARCHAR, rows_added BIGINT NOT NULL,
    PRIMARY KEY (run_id, data_version)
);
COMMENT ON TABLE materializations IS 'Data versions for which the features of a finished run were backfilled without training.';
COMMENT ON COLUMN materializations.run IS 'Run';
COMMENT ON COLUMN materializations.run_id IS 'Content id of that run';
COMMENT ON COLUMN materializations.data_version IS 'Data version its features now cover';
COMMENT ON COLUMN materializations.reason IS 'materialized: features of further visits were computed; withdrawal: rows were removed, the others stay valid';
COMMENT ON COLUMN materializations.gate_status IS 'Gate of that data version: passed, or overridden; null for a withdrawal';
COMMENT ON COLUMN materializations.gate_sha256 IS 'SHA-256 of the gate''s results';
COMMENT ON COLUMN materializations.gate_override IS 'Reason given for continuing although the gate failed; null otherwise';
COMMENT ON COLUMN materializations.rows_added IS 'Feature rows that were added';
