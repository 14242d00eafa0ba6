-- Coverage of one view, by run and data version.
SELECT * EXCLUDE (feature_view) FROM coverage WHERE feature_view = $view ORDER BY run, data_version
