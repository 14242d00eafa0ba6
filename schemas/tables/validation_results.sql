CREATE TABLE validation_results (
    data_version VARCHAR NOT NULL, suite VARCHAR NOT NULL, table_name VARCHAR NOT NULL, expectation VARCHAR NOT NULL,
    column_name VARCHAR, severity VARCHAR NOT NULL, success BOOLEAN NOT NULL,
    element_count BIGINT, unexpected_count BIGINT, observed VARCHAR, expected VARCHAR NOT NULL
);
COMMENT ON TABLE validation_results IS 'Result of every expectation of the gate.';
COMMENT ON COLUMN validation_results.data_version IS 'Data version that was validated';
COMMENT ON COLUMN validation_results.suite IS 'Expectation suite: a file in schemas/expectations';
COMMENT ON COLUMN validation_results.table_name IS 'Table that was validated';
COMMENT ON COLUMN validation_results.expectation IS 'Expectation type';
COMMENT ON COLUMN validation_results.column_name IS 'Column; null for table-level expectations';
COMMENT ON COLUMN validation_results.severity IS 'critical blocks training, warning is recorded';
COMMENT ON COLUMN validation_results.success IS 'Met or not';
COMMENT ON COLUMN validation_results.element_count IS 'Rows that were validated';
COMMENT ON COLUMN validation_results.unexpected_count IS 'Rows that did not meet it';
COMMENT ON COLUMN validation_results.observed IS 'Observed value of aggregate expectations';
COMMENT ON COLUMN validation_results.expected IS 'Parameters of the expectation, JSON';
