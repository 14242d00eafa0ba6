-- Columns of the suite labels: those of its source, and these.

-- name: source
labels

-- name: follows_horizon_rule
CASE WHEN definition = 'incident' THEN horizon_days IS NOT NULL ELSE horizon_days IS NULL END

-- name: date_has_source
"date" IS NULL OR source IS NOT NULL

-- name: ever_is_decided
definition <> 'ever' OR "value" IS NOT NULL

-- name: undecided_has_no_date
"value" IS NOT DISTINCT FROM true OR "date" IS NULL
