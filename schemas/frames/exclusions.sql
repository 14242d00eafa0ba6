-- Columns of the suite exclusions: those of its source, and these.

-- name: source
exclusions

-- name: has_detail
coalesce(trim(detail) <> '', false)

-- name: names_participant
coalesce(contains(detail, eid::VARCHAR), false)

-- name: reason_fits_detail
CASE WHEN ends_with(reason, '_quarantined') THEN starts_with(detail, 'refused: ') ELSE NOT starts_with(detail, 'refused: ') END
