-- Which traits are missing most often in the pairs?
SELECT f.short_name AS trait, f.title, (SELECT count(*) FROM pairs) - count(t."value") AS missing
FROM fields f
LEFT JOIN (SELECT t.* FROM traits t SEMI JOIN pairs USING (eid, instance)) t USING (field_id)
WHERE f.trait_index IS NOT NULL
GROUP BY f.short_name, f.title HAVING missing > 0 ORDER BY missing DESC, any_value(f.trait_index) LIMIT 5
