-- Traits predicted from the ECG against what CMR measured, on the test split.
SELECT f.title AS trait, f.units, count(*) AS n, round(avg(t."value"), 1) AS measured, round(avg(p."value"), 1) AS predicted,
    round(corr(p."value", t."value"), 2) AS r
FROM features.trait_prediction p
JOIN traits t USING (eid, instance, field_id)
JOIN fields f USING (field_id)
WHERE p.split = 'test' AND p.field_id IN (24100, 24103, 24105, 24106, 24110, 24140, 24157)
GROUP BY f.field_id, f.title, f.units ORDER BY f.field_id
