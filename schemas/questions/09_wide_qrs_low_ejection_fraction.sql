-- Which visits have a broad QRS complex and a low left ventricular ejection fraction?
SELECT eid, instance, qrs_duration_ms, qtc_interval_ms, round(LVEF, 1) AS lvef, round(LVEDV) AS lvedv, diagnosis
FROM recordings JOIN traits_wide USING (eid, instance)
WHERE qrs_duration_ms >= 120 AND LVEF < 50 ORDER BY LVEF
