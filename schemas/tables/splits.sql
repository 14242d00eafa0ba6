CREATE TABLE splits (
    eid BIGINT NOT NULL PRIMARY KEY, split VARCHAR NOT NULL, bucket DOUBLE NOT NULL
);
COMMENT ON TABLE splits IS 'The split of every participant, permanent and the same for all modalities: a keyed hash of the participant.';
COMMENT ON COLUMN splits.eid IS 'Participant';
COMMENT ON COLUMN splits.split IS 'train, val or test';
COMMENT ON COLUMN splits.bucket IS 'Keyed hash of the participant as a number in [0, 1)';
