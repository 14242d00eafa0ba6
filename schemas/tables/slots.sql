CREATE TABLE slots (
    modality VARCHAR NOT NULL, "row" BIGINT NOT NULL, eid BIGINT NOT NULL, instance TINYINT NOT NULL,
    record_sha256 VARCHAR NOT NULL, path VARCHAR NOT NULL, file_sha256 VARCHAR NOT NULL, is_current BOOLEAN NOT NULL,
    PRIMARY KEY (modality, "row")
);
COMMENT ON TABLE slots IS 'Every committed slot of the arrays, those of superseded raw files included: the end of every lineage.';
COMMENT ON COLUMN slots.modality IS 'ecg or cine';
COMMENT ON COLUMN slots."row" IS 'Slot in data/ecg.zarr or data/cine.zarr';
COMMENT ON COLUMN slots.eid IS 'Participant';
COMMENT ON COLUMN slots.instance IS 'Visit';
COMMENT ON COLUMN slots.record_sha256 IS 'SHA-256 of what models read: the clean ECG, or the frames';
COMMENT ON COLUMN slots.path IS 'Raw file, relative to the folder that was ingested';
COMMENT ON COLUMN slots.file_sha256 IS 'SHA-256 of the raw file';
COMMENT ON COLUMN slots.is_current IS 'False where a later file of the same visit superseded it';
