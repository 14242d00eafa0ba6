-- A view can describe the visits with a current slot of its modality. Caches of the training are not counted.
CREATE VIEW coverage AS
WITH reachable AS (
    SELECT modality, count(*) AS visits FROM slots WHERE is_current GROUP BY modality
),
counted AS (
    SELECT feature_view, modality, run, run_id, data_version,
        count(*) FILTER (state = 'current') AS with_feature,
        count(*) FILTER (state = 'stale') AS stale,
        count(*) FILTER (state = 'superseded') AS superseded
    FROM feature_rows WHERE feature_view NOT IN (SELECT feature_view FROM feature_views WHERE is_cache) GROUP BY ALL
)
SELECT c.feature_view, c.run, c.run_id, c.data_version, r.visits, c.with_feature, c.stale, c.superseded,
    (r.visits - sum(c.with_feature) OVER (PARTITION BY c.feature_view, c.run))::BIGINT AS without_feature
FROM counted c JOIN reachable r USING (modality);
COMMENT ON VIEW coverage IS 'How many visits every feature view and run describes, by the data version the rows were computed on.';
COMMENT ON COLUMN coverage.feature_view IS 'Feature view';
COMMENT ON COLUMN coverage.run IS 'Run that wrote the rows';
COMMENT ON COLUMN coverage.run_id IS 'Content id of that run';
COMMENT ON COLUMN coverage.data_version IS 'Data version the rows were computed on';
COMMENT ON COLUMN coverage.visits IS 'Visits with a current recording or cine, which the view can describe';
COMMENT ON COLUMN coverage.with_feature IS 'Visits with a current row of that data version';
COMMENT ON COLUMN coverage.stale IS 'Visits whose row waits for `eccl materialize RUN` or a new training';
COMMENT ON COLUMN coverage.superseded IS 'Visits whose row describes a file that a later one replaced';
COMMENT ON COLUMN coverage.without_feature IS 'Visits without a current row of the run, over all data versions';
