-- Which participants have a high predicted risk of heart failure and no record of it?
SELECT eid, instance, "split", round(probability, 3) AS probability, round(LVEF, 1) AS measured_lvef
FROM features.disease_prediction_latest
JOIN labels USING (eid, instance, code)
LEFT JOIN traits_wide USING (eid, instance)
WHERE code = 'I50' AND definition = 'ever' AND NOT "value"
ORDER BY probability DESC LIMIT 5
