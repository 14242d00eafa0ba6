-- How far apart are the ECG's own date and the date of the visit?
SELECT CASE WHEN gap_days IS NULL THEN 'unknown' WHEN gap_days = 0 THEN 'same day' WHEN gap_days <= 30 THEN 'within 30 days' ELSE 'more' END AS gap,
    count(*) AS pairs, max(gap_days) AS largest
FROM pairs GROUP BY gap ORDER BY pairs DESC
