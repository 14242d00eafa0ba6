CREATE TABLE quarantine (
    kind VARCHAR NOT NULL, eid BIGINT, instance TINYINT, "row" BIGINT,
    path VARCHAR NOT NULL, file_sha256 VARCHAR, file_bytes BIGINT,
    reason VARCHAR NOT NULL, detail VARCHAR NOT NULL, remedy VARCHAR NOT NULL
);
COMMENT ON TABLE quarantine IS 'Quarantined files and table rows, one row each, with the reason.';
COMMENT ON COLUMN quarantine.kind IS 'ecg, cine or table';
COMMENT ON COLUMN quarantine.eid IS 'Participant, if the file name gives one';
COMMENT ON COLUMN quarantine.instance IS 'Visit, if the file name gives one';
COMMENT ON COLUMN quarantine."row" IS 'Slot that was reserved and stays empty';
COMMENT ON COLUMN quarantine.path IS 'Raw file, relative to the folder that was ingested';
COMMENT ON COLUMN quarantine.file_sha256 IS 'SHA-256 of the raw file, where it could be read';
COMMENT ON COLUMN quarantine.file_bytes IS 'Size of the raw file in bytes';
COMMENT ON COLUMN quarantine.reason IS 'One of the documented reasons (docs/reference/quarantine.md)';
COMMENT ON COLUMN quarantine.detail IS 'What was found and what was expected';
COMMENT ON COLUMN quarantine.remedy IS 'How to correct it';
