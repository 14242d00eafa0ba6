-- The feature views with their coverage; without caches of the training.
WITH counted AS (
    SELECT feature_view, count(DISTINCT run) AS runs, max(visits) AS visits, sum(stale)::BIGINT AS stale,
        -- of several default runs the least complete one counts
        min(visits - without_feature) FILTER (starts_with(run, split_part(default_run, '{', 1))) AS with_feature
    FROM coverage JOIN feature_views USING (feature_view) GROUP BY feature_view
)
SELECT v.feature_view, v.entity, v.stage, v.default_run, v.owner, c.runs, c.visits, c.with_feature, c.stale, v.description
FROM feature_views v LEFT JOIN counted c USING (feature_view)
WHERE NOT v.is_cache
ORDER BY v.default_run IS NULL, v.feature_view
