-- Fields of one view.
SELECT field, type, dimension, unit, description FROM feature_fields WHERE feature_view = $view
