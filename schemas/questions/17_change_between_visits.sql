-- What changed from the first imaging visit to the repeat, predicted from the ECG and measured where CMR was repeated?
SELECT f.short_name AS trait, count(*) AS participants, round(avg(q."value" - p."value"), 1) AS predicted_change,
    count(b."value") AS measured_twice, round(avg(b."value" - a."value"), 1) AS measured_change
FROM features.trait_prediction_latest p
JOIN features.trait_prediction_latest q ON q.eid = p.eid AND q.field_id = p.field_id AND q.instance = 3
JOIN fields f ON f.field_id = p.field_id
LEFT JOIN traits a ON a.eid = p.eid AND a.instance = 2 AND a.field_id = p.field_id
LEFT JOIN traits b ON b.eid = p.eid AND b.instance = 3 AND b.field_id = p.field_id
WHERE p.instance = 2 AND f.short_name IN ('LVEDV', 'LVEF', 'LVM')
GROUP BY f.short_name, f.trait_index ORDER BY f.trait_index
