-- Rows of one run and view compared with the cohort. Each condition holds for a wrong row, and the comment below its name
-- completes the sentence "<n> of <rows> rows ...". A condition applies to the views that have the columns it names.
-- Variables: run_id and task of the run, is_projection of the view (eccl/quality/product/features.py).

-- name: source
-- `feature` are the rows of the run; `slots` are the rows of the modality's table, superseded slots included.
feature
LEFT JOIN (SELECT DISTINCT visits.eid, visits.instance, true AS is_visit FROM visits) USING (eid, instance)
LEFT JOIN (SELECT splits.eid, any_value(splits.split) AS split_now FROM splits GROUP BY ALL) USING (eid)
LEFT JOIN (
    SELECT slots."row" AS array_row, any_value(slots.eid) AS slot_eid, any_value(slots.instance) AS slot_instance
    FROM slots GROUP BY ALL
) USING (array_row)

-- name: visit_unknown
-- are of a visit that is not in the tables
is_visit IS NULL

-- name: participant_unknown
-- are of a participant who is not in the splits
split_now IS NULL

-- name: split_differs
-- have another split than their participant
split <> split_now

-- name: slot_unknown
-- were computed from a slot that is not committed
slot_eid IS NULL

-- name: slot_differs
-- were computed from a slot of another visit
slot_eid <> eid OR slot_instance <> instance

-- name: run_differs
-- are of another training than the run records
run_id <> getvariable('run_id')

-- name: vector_missing
-- have no vector, or one with gaps
vector IS NULL OR list_count(vector) < len(vector)

-- name: vector_not_finite
-- have a vector with numbers that are not finite
NOT isfinite(list_sum(vector))

-- name: vector_norm
-- have a projection whose norm is not 1 within 0.001
getvariable('is_projection') AND isfinite(list_sum(vector))
    AND abs(sqrt(list_sum(list_transform(vector, lambda x: x::DOUBLE * x))) - 1) > 0.001

-- name: vector_zero
-- have a vector of zeros
NOT getvariable('is_projection') AND list_max(vector) = 0 AND list_min(vector) = 0

-- name: probability_outside
-- have a probability outside [0, 1]
probability IS NULL OR NOT probability BETWEEN 0 AND 1

-- name: logit_differs
-- have a logit that is not that of their probability
probability BETWEEN 0 AND 1
    AND (logit IS NULL OR isnan(logit) OR abs(1 / (1 + exp(-greatest(-700, least(700, logit)))) - probability) > 0.0001)

-- name: value_not_finite
-- have a value that is no finite number
"value" IS NULL OR NOT isfinite("value")

-- name: code_differs
-- are about another disease than the run's
CASE WHEN getvariable('task') = 'all' THEN code NOT IN (SELECT labels.code FROM labels)
    ELSE code <> getvariable('task') END

-- name: field_unknown
-- are about a field that is no trait
field_id NOT IN (SELECT fields.field_id FROM fields WHERE fields.trait_index IS NOT NULL)
