CREATE TABLE participants (
    eid BIGINT NOT NULL PRIMARY KEY, sex VARCHAR, birth_year SMALLINT, birth_month TINYINT,
    death_date DATE, lost_to_follow_up_on DATE
);
COMMENT ON TABLE participants IS 'One row per participant in the tabular export or the bulk data, without withdrawn participants.';
COMMENT ON COLUMN participants.eid IS 'Participant';
COMMENT ON COLUMN participants.sex IS 'Field 31: F or M';
COMMENT ON COLUMN participants.birth_year IS 'Field 34';
COMMENT ON COLUMN participants.birth_month IS 'Field 52';
COMMENT ON COLUMN participants.death_date IS 'Field 40000, first instance that has one';
COMMENT ON COLUMN participants.lost_to_follow_up_on IS 'Field 191';
