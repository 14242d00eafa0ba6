-- Which visits are nearest to one in the space shared with CMR, and which diseases do they have?
SELECT n.eid, n.instance, n."split", round(n.similarity, 4) AS similarity, round(LVEF, 1) AS lvef,
    string_agg(l.code, ' ' ORDER BY l.code) FILTER (l."value") AS diseases
FROM nearest('ecg_projection', (SELECT min(eid) FROM pairs), 2, 5) n
LEFT JOIN traits_wide USING (eid, instance)
LEFT JOIN labels l ON l.eid = n.eid AND l.instance = n.instance AND l.definition = 'ever'
GROUP BY ALL ORDER BY any_value(n.similarity) DESC
