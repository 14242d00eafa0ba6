-- How large is the cohort, and how is it split?
SELECT s."split", count(DISTINCT s.eid) AS participants, count(r.eid) AS ecgs, count(c.eid) AS cines, count(p.eid) AS pairs
FROM splits s
LEFT JOIN visits v USING (eid)
LEFT JOIN recordings r USING (eid, instance)
LEFT JOIN cines c USING (eid, instance)
LEFT JOIN pairs p USING (eid, instance)
GROUP BY s."split" ORDER BY s."split"
