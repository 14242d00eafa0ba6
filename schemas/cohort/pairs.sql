-- Visits with a current ECG and a current cine of the same visit.
SELECT r.eid, r.instance, s.split, r."row" AS recording_row, c."row" AS cine_row, v.visit_date,
    abs(date_diff('day', v.visit_date, r.observed_at::DATE)) AS gap_days,
    (SELECT count(*) FROM traits t WHERE t.eid = r.eid AND t.instance = r.instance) AS trait_count
FROM recordings r
JOIN cines c USING (eid, instance)
JOIN splits s USING (eid)
LEFT JOIN visits v USING (eid, instance)
