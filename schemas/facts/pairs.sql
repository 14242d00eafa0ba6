-- Pairs and exclusions: an imaging visit is one or the other. Each query returns one number; its limit is in
-- schemas/expectations/facts.json. Columns in subqueries carry their table's name: a bare one that the table lacks
-- would silently mean the outer query's.

-- name: pairs_without_split
SELECT count(*) FROM pairs ANTI JOIN splits USING (eid)

-- name: pairs_with_other_split
SELECT count(*) FROM pairs p JOIN splits s USING (eid) WHERE p.split <> s.split

-- name: pairs_without_current_recording
SELECT count(*) FROM pairs p
LEFT JOIN (
    SELECT recordings.eid, recordings.instance, max(recordings."row") AS "row" FROM recordings GROUP BY ALL
) c USING (eid, instance)
WHERE c."row" IS NULL OR c."row" <> p.recording_row

-- name: pairs_without_current_cine
SELECT count(*) FROM pairs p
LEFT JOIN (SELECT cines.eid, cines.instance, max(cines."row") AS "row" FROM cines GROUP BY ALL) c USING (eid, instance)
WHERE c."row" IS NULL OR c."row" <> p.cine_row

-- name: pairs_without_visit
SELECT count(*) FROM pairs ANTI JOIN visits USING (eid, instance)

-- name: pairs_with_other_visit_date
SELECT count(*) FROM pairs p JOIN visits v USING (eid, instance) WHERE p.visit_date IS DISTINCT FROM v.visit_date

-- name: pairs_with_other_gap
SELECT count(*) FROM pairs p
JOIN recordings r ON (r.eid, r.instance, r."row") = (p.eid, p.instance, p.recording_row)
WHERE p.gap_days IS NOT NULL AND r.observed_at IS NOT NULL AND p.visit_date IS NOT NULL
    AND abs(p.gap_days) <> abs(date_diff('day', p.visit_date, r.observed_at::DATE))

-- name: pairs_of_distant_days
SELECT count(*) FROM pairs p
JOIN recordings r ON (r.eid, r.instance, r."row") = (p.eid, p.instance, p.recording_row)
JOIN cines c ON (c.eid, c.instance, c."row") = (p.eid, p.instance, p.cine_row)
WHERE abs(date_diff('day', r.observed_at::DATE, c.acquired_on)) > 30

-- name: pairs_with_other_trait_count
SELECT count(*) FROM pairs p
LEFT JOIN (SELECT traits.eid, traits.instance, count(*) AS n FROM traits GROUP BY ALL) t USING (eid, instance)
WHERE p.trait_count <> coalesce(t.n, 0)

-- name: pairs_also_excluded
SELECT count(*) FROM pairs SEMI JOIN exclusions USING (eid, instance)

-- name: imaging_visits_unaccounted_for
-- A visit that ought to be a pair: an imaging visit in the tables, or any visit with an ECG or a cine.
SELECT count(*) FROM (
    SELECT eid, instance FROM visits WHERE instance >= 2 UNION SELECT eid, instance FROM recordings
    UNION SELECT eid, instance FROM cines
) v
ANTI JOIN (SELECT eid, instance FROM pairs UNION SELECT eid, instance FROM exclusions) a USING (eid, instance)

-- name: exclusions_contradicted
SELECT (SELECT count(*) FROM exclusions SEMI JOIN recordings USING (eid, instance) WHERE reason = 'no_ecg')
    + (SELECT count(*) FROM exclusions SEMI JOIN cines USING (eid, instance) WHERE reason = 'no_cine')
