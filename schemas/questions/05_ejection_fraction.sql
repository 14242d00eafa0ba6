-- How is the left ventricular ejection fraction distributed, by sex?
SELECT sex, count(LVEF) AS visits, round(quantile_cont(LVEF, 0.05), 1) AS p5, round(median(LVEF), 1) AS median,
    round(quantile_cont(LVEF, 0.95), 1) AS p95, count(*) FILTER (LVEF < 50) AS below_50
FROM traits_wide JOIN participants USING (eid) GROUP BY sex ORDER BY sex
