-- Which features are there for how many visits, and is any of it stale?
SELECT feature_view, count(DISTINCT run) AS runs, max(visits) AS visits, max(visits - without_feature) AS with_feature, sum(stale) AS stale
FROM coverage GROUP BY feature_view ORDER BY feature_view
