-- Does an ECG find its own cine among all of the split?
WITH ranked AS (
    SELECT e."split", e.eid, e.instance, c.eid = e.eid AND c.instance = e.instance AS is_own,
        rank() OVER (PARTITION BY e.eid, e.instance ORDER BY array_inner_product(e."vector", c."vector") DESC) AS place
    FROM features.ecg_projection_latest e
    JOIN pairs USING (eid, instance)
    JOIN features.cmr_projection_latest c ON c."split" = e."split" AND (c.eid, c.instance) IN (SELECT (eid, instance) FROM pairs)
)
SELECT "split", count(*) AS ecgs, round(avg((place = 1)::INT), 2) AS recall_at_1, round(avg((place <= 5)::INT), 2) AS recall_at_5, median(place) AS median_rank
FROM ranked WHERE is_own GROUP BY "split" ORDER BY "split"
