-- Placeholder: one aggregate per trait, named by UK Biobank's short name.
CREATE VIEW features.trait_prediction_wide AS
SELECT eid, instance, any_value("split") AS "split",
    {columns}
FROM features.trait_prediction_latest GROUP BY eid, instance;
COMMENT ON VIEW features.trait_prediction_wide IS 'The 82 traits predicted from the ECG, one column each, named by fields.short_name; current rows of the default run.';
COMMENT ON COLUMN features.trait_prediction_wide.eid IS 'Participant';
COMMENT ON COLUMN features.trait_prediction_wide.instance IS 'Visit';
COMMENT ON COLUMN features.trait_prediction_wide."split" IS 'Split the visit was in when the model was trained: train rows flatter the model';
