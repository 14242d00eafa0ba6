-- Participants and the dates of their visits. Each query returns one number; its limit is in schemas/expectations/facts.json.

-- name: recordings_without_participant
SELECT count(*) FROM recordings ANTI JOIN participants USING (eid)

-- name: cines_without_participant
SELECT count(*) FROM cines ANTI JOIN participants USING (eid)

-- name: visits_without_participant
SELECT count(*) FROM visits ANTI JOIN participants USING (eid)

-- name: traits_without_participant
SELECT count(*) FROM traits ANTI JOIN participants USING (eid)

-- name: diagnoses_without_participant
SELECT count(*) FROM diagnoses ANTI JOIN participants USING (eid)

-- name: splits_without_participant
SELECT count(*) FROM splits ANTI JOIN participants USING (eid)

-- name: labels_without_participant
SELECT count(*) FROM labels ANTI JOIN participants USING (eid)

-- name: visits_out_of_order
SELECT count(*) FROM visits a JOIN visits b USING (eid) WHERE a.instance < b.instance AND a.visit_date >= b.visit_date

-- name: visits_after_death
SELECT count(*) FROM visits v JOIN participants p USING (eid) WHERE v.visit_date > p.death_date

-- name: visits_at_another_age
-- Completed years at the visit, from year and month of birth; one year of tolerance for fields that round.
SELECT count(*) FROM visits v JOIN participants p USING (eid)
WHERE abs(v.age_years - date_diff('month', make_date(p.birth_year, coalesce(p.birth_month, 6), 15), v.visit_date) / 12)
    > CASE WHEN p.birth_month IS NULL THEN 1.75 ELSE 1.25 END

-- name: recordings_far_from_visit_date
SELECT count(*) FROM recordings r JOIN visits v USING (eid, instance)
WHERE abs(date_diff('day', r.observed_at::DATE, v.visit_date)) > 30

-- name: cines_far_from_visit_date
SELECT count(*) FROM cines c JOIN visits v USING (eid, instance)
WHERE abs(date_diff('day', c.acquired_on, v.visit_date)) > 30

-- name: diagnoses_before_birth
SELECT count(*) FROM diagnoses d JOIN participants p USING (eid) WHERE year(d."date") < p.birth_year

-- name: diagnoses_after_death
SELECT count(*) FROM diagnoses d JOIN participants p USING (eid) WHERE d."date" > p.death_date
