-- Is the ECG model equally accurate for women and men?
SELECT sex, count(*) AS visits, round(corr(p."value", t."value"), 2) AS r, round(avg(abs(p."value" - t."value")), 1) AS mean_absolute_error
FROM features.trait_prediction_latest p
JOIN traits t USING (eid, instance, field_id)
JOIN participants USING (eid)
WHERE p.field_id = 24100 AND p."split" <> 'train'
GROUP BY sex ORDER BY sex
