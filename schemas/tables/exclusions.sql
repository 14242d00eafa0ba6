CREATE TABLE exclusions (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, reason VARCHAR NOT NULL, detail VARCHAR NOT NULL
);
COMMENT ON TABLE exclusions IS 'Imaging visits that are not pairs, with every reason.';
COMMENT ON COLUMN exclusions.eid IS 'Participant';
COMMENT ON COLUMN exclusions.instance IS 'Visit';
COMMENT ON COLUMN exclusions.reason IS 'no_ecg, no_cine, ecg_quarantined or cine_quarantined';
COMMENT ON COLUMN exclusions.detail IS 'What was found';
