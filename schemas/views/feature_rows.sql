-- Placeholder: one SELECT per computed view; views with a key have several rows per visit and are made distinct.
CREATE VIEW feature_rows AS
{views};
COMMENT ON VIEW feature_rows IS 'Which visits every computed feature view describes: one row per view, run and visit.';
COMMENT ON COLUMN feature_rows.feature_view IS 'Feature view';
COMMENT ON COLUMN feature_rows.modality IS 'Array it was computed from: ecg or cine';
COMMENT ON COLUMN feature_rows.run IS 'Run that wrote the row';
COMMENT ON COLUMN feature_rows.run_id IS 'Content id of that run';
COMMENT ON COLUMN feature_rows.eid IS 'Participant';
COMMENT ON COLUMN feature_rows.instance IS 'Visit';
COMMENT ON COLUMN feature_rows.split IS 'Split the visit was in when the model was trained';
COMMENT ON COLUMN feature_rows.data_version IS 'Data version the row was computed on';
COMMENT ON COLUMN feature_rows.array_row IS 'Slot of the array the row was computed from';
COMMENT ON COLUMN feature_rows.state IS 'current, superseded or stale, as in the features';
