CREATE TABLE runs (
    run VARCHAR NOT NULL PRIMARY KEY, run_id VARCHAR NOT NULL, stage VARCHAR NOT NULL, task VARCHAR, variant VARCHAR, seed INTEGER, preset VARCHAR NOT NULL,
    data_version VARCHAR NOT NULL, params_sha256 VARCHAR NOT NULL, weights_sha256 VARCHAR NOT NULL, parameter_count BIGINT NOT NULL,
    gate_status VARCHAR NOT NULL, gate_sha256 VARCHAR NOT NULL, gate_override VARCHAR,
    parents VARCHAR NOT NULL, best_epoch INTEGER, metrics VARCHAR NOT NULL, device VARCHAR NOT NULL, code_version VARCHAR NOT NULL, tainted_since DATE
);
COMMENT ON TABLE runs IS 'Every finished training run: its input, parameters and results.';
COMMENT ON COLUMN runs.run IS 'Name of the run: stage and task, e.g. align-I50; within an experiment also variant and seed, e.g. align-I50.triplet.s43';
COMMENT ON COLUMN runs.run_id IS 'Content id of the run: its name and a hash of inputs, parameters and parents';
COMMENT ON COLUMN runs.stage IS 'pretrain_ecg, pretrain_cmr, pretrain_cmae, align or probe';
COMMENT ON COLUMN runs.task IS 'traits, I21, I42, I48, I50, or all: one network for all of them; null for pretrain_ecg and pretrain_cmae';
COMMENT ON COLUMN runs.variant IS 'Arm or pre-training of experiments/arms.yaml; null for the workspace''s own runs. Features of variants are not in this store';
COMMENT ON COLUMN runs.seed IS 'Seed of the variant; null for the workspace''s own runs';
COMMENT ON COLUMN runs.preset IS 'Preset of params.yaml';
COMMENT ON COLUMN runs.data_version IS 'Data version the run was trained on';
COMMENT ON COLUMN runs.params_sha256 IS 'SHA-256 of the resolved parameters (canonical JSON)';
COMMENT ON COLUMN runs.weights_sha256 IS 'SHA-256 of weights.safetensors';
COMMENT ON COLUMN runs.parameter_count IS 'Parameters of the model';
COMMENT ON COLUMN runs.gate_status IS 'passed, or overridden';
COMMENT ON COLUMN runs.gate_sha256 IS 'SHA-256 of the gate''s results';
COMMENT ON COLUMN runs.gate_override IS 'Reason given for training although the gate failed; null otherwise';
COMMENT ON COLUMN runs.parents IS 'Run ids whose weights were read, comma-separated';
COMMENT ON COLUMN runs.best_epoch IS 'Epoch with the best validation score; null where there is none';
COMMENT ON COLUMN runs.metrics IS 'Metrics of the run, JSON';
COMMENT ON COLUMN runs.device IS 'Device it ran on';
COMMENT ON COLUMN runs.code_version IS 'Version of this package';
COMMENT ON COLUMN runs.tainted_since IS 'Date of the first withdrawal of a participant on whose data the model, or a model it builds on, was trained or selected; null otherwise';
