-- Labels against the diagnoses and visits they come from. Each query returns one number; its limit is in
-- schemas/expectations/facts.json.

-- name: pairs_without_label
SELECT count(*) FROM pairs p
SEMI JOIN (SELECT eid FROM participants WHERE sex IS NOT NULL OR birth_year IS NOT NULL) t ON t.eid = p.eid
CROSS JOIN (SELECT unnest(getvariable('diseases')) AS code) d
ANTI JOIN (SELECT eid, instance, code FROM labels WHERE definition = 'ever') l
    ON l.eid = p.eid AND l.instance = p.instance AND l.code = d.code

-- name: labels_without_visit
SELECT count(*) FROM labels ANTI JOIN visits USING (eid, instance)

-- name: labels_without_ever
SELECT count(*) FROM labels a JOIN labels e USING (eid, instance, code)
WHERE a.definition <> 'ever' AND e.definition = 'ever' AND a."value" AND NOT e."value"

-- name: labels_prevalent_and_incident
SELECT count(*) FROM labels a JOIN labels b USING (eid, instance, code)
WHERE a.definition = 'prevalent' AND b.definition = 'incident' AND a."value" AND b."value"

-- name: labels_with_other_horizon
SELECT count(*) FROM labels WHERE definition = 'incident' AND horizon_days <> getvariable('incident_horizon_days')

-- name: labels_on_the_wrong_side_of_the_visit
SELECT count(*) FROM labels l JOIN visits v USING (eid, instance)
WHERE l."value" AND (
    (l.definition = 'prevalent' AND l."date" > v.visit_date)
    OR (l.definition = 'incident' AND NOT l."date" BETWEEN v.visit_date + 1 AND v.visit_date + l.horizon_days)
)

-- name: labels_against_diagnoses
SELECT count(*) FROM labels l
LEFT JOIN (SELECT DISTINCT diagnoses.eid, left(diagnoses.code, 3) AS code FROM diagnoses) d USING (eid, code)
WHERE l.definition = 'ever' AND l."value" IS DISTINCT FROM (d.eid IS NOT NULL)
