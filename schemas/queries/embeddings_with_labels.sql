-- Embeddings joined with labels and traits: similarity in the shared space, by split.
SELECT s.split, count(*) AS visits,
    round(avg(t."value"), 1) AS mean_lvef,
    count(*) FILTER (l."value") AS heart_failure,
    round(avg(list_cosine_similarity(e."vector"::FLOAT[], c."vector"::FLOAT[])), 3) AS ecg_cmr_cosine
FROM features.ecg_projection e
JOIN features.cmr_projection c USING (eid, instance, run)
JOIN splits s USING (eid)
LEFT JOIN traits t ON t.eid = e.eid AND t.instance = e.instance AND t.field_id = 24103
LEFT JOIN labels l ON l.eid = e.eid AND l.instance = e.instance AND l.code = 'I50' AND l.definition = 'ever'
WHERE e.run = 'align-traits'
GROUP BY s.split ORDER BY s.split
