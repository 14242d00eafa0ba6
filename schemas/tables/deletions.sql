CREATE TABLE deletions (
    modality VARCHAR NOT NULL, "row" BIGINT NOT NULL, deleted_on DATE NOT NULL, certificate VARCHAR NOT NULL,
    PRIMARY KEY (modality, "row")
);
COMMENT ON TABLE deletions IS 'Array slots that a withdrawal emptied. A deleted slot is never used again. The table does not identify the participant.';
COMMENT ON COLUMN deletions.modality IS 'ecg or cine';
COMMENT ON COLUMN deletions."row" IS 'Slot in data/ecg.zarr or data/cine.zarr';
COMMENT ON COLUMN deletions.deleted_on IS 'Date of the withdrawal';
COMMENT ON COLUMN deletions.certificate IS 'Certificate of the withdrawal: a file in ledger/withdrawals';
