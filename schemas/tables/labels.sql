CREATE TABLE labels (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, code VARCHAR NOT NULL, definition VARCHAR NOT NULL,
    horizon_days INTEGER, "value" BOOLEAN, "date" DATE, source VARCHAR
);
COMMENT ON TABLE labels IS 'Disease labels of every imaging visit, each by an explicit definition. A label is an outcome, not a feature.';
COMMENT ON COLUMN labels.eid IS 'Participant';
COMMENT ON COLUMN labels.instance IS 'Visit the label refers to';
COMMENT ON COLUMN labels.code IS 'ICD-10 block: I21, I42, I48 or I50';
COMMENT ON COLUMN labels.definition IS 'ever: any record at any time; prevalent: on or before the visit; incident: after the visit within the horizon';
COMMENT ON COLUMN labels.horizon_days IS 'Horizon of incident labels in days; null otherwise';
COMMENT ON COLUMN labels."value" IS 'True or false; null where the definition cannot be decided (unknown date, or prevalent disease for incident). Incident labels take follow-up as complete over the horizon: where records end earlier, false means not recorded';
COMMENT ON COLUMN labels."date" IS 'Earliest known date that decides the label';
COMMENT ON COLUMN labels.source IS 'Source of that date';
