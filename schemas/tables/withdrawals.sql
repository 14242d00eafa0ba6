CREATE TABLE withdrawals (
    certificate VARCHAR NOT NULL PRIMARY KEY, withdrawn_on DATE NOT NULL, participants BIGINT NOT NULL, tainted_runs BIGINT NOT NULL
);
COMMENT ON TABLE withdrawals IS 'Completed withdrawals; the ids of withdrawn participants are recorded nowhere.';
COMMENT ON COLUMN withdrawals.certificate IS 'Certificate: a file in ledger/withdrawals';
COMMENT ON COLUMN withdrawals.withdrawn_on IS 'Date of the withdrawal';
COMMENT ON COLUMN withdrawals.participants IS 'Participants who withdrew';
COMMENT ON COLUMN withdrawals.tainted_runs IS 'Runs whose models were trained or selected on one of them';
