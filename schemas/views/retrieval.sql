-- Retrieval in SQL, for any run with a shared space: FROM retrieval_ranks('align-traits', 'test'), or its summary,
-- FROM retrieval_scores('align-traits', 'test'). Time grows with the square of the split's pairs.
CREATE MACRO retrieval_ranks(of_run, of_split) AS TABLE
WITH pair AS (
    SELECT eid, instance, e."vector"::FLOAT[] AS ecg, c."vector"::FLOAT[] AS cmr
    FROM features.ecg_projection e
    JOIN features.cmr_projection c USING (eid, instance, run, "split")
    JOIN pairs p USING (eid, instance)
    WHERE run = of_run AND "split" = of_split AND e.state = 'current' AND c.state = 'current'
),
product AS (
    SELECT a.eid AS ecg_eid, a.instance AS ecg_instance, b.eid AS cmr_eid, b.instance AS cmr_instance,
        list_inner_product(a.ecg, b.cmr) AS similarity
    FROM pair a CROSS JOIN pair b
),
ranked AS (
    -- Equally near ones share the mean of their ranks.
    SELECT *,
        rank() OVER (PARTITION BY ecg_eid, ecg_instance ORDER BY similarity DESC)
            + (count(*) OVER (PARTITION BY ecg_eid, ecg_instance, similarity) - 1) / 2 AS cmr_place,
        rank() OVER (PARTITION BY cmr_eid, cmr_instance ORDER BY similarity DESC)
            + (count(*) OVER (PARTITION BY cmr_eid, cmr_instance, similarity) - 1) / 2 AS ecg_place
    FROM product
)
SELECT ecg_eid AS eid, ecg_instance AS instance, cmr_place AS ecg_to_cmr, ecg_place AS cmr_to_ecg
FROM ranked WHERE ecg_eid = cmr_eid AND ecg_instance = cmr_instance;
COMMENT ON MACRO TABLE retrieval_ranks IS 'For every pair of a split, the rank of its own cine among all cines of the split for the search from its ECG, and of its ECG for the search from its cine: retrieval_ranks(run, split).';
CREATE MACRO retrieval_scores(of_run, of_split) AS TABLE
SELECT direction, count(*) AS n, avg((place <= 1)::INT) AS recall_at_1, avg((place <= 5)::INT) AS recall_at_5,
    avg((place <= 10)::INT) AS recall_at_10, median(place) AS median_rank,
    least(1 / count(*), 1) AS chance_at_1, least(5 / count(*), 1) AS chance_at_5, least(10 / count(*), 1) AS chance_at_10,
    (count(*) + 1) / 2 AS chance_median_rank
FROM (UNPIVOT (FROM retrieval_ranks(of_run, of_split)) ON ecg_to_cmr, cmr_to_ecg INTO NAME direction VALUE place)
GROUP BY direction ORDER BY direction DESC;
COMMENT ON MACRO TABLE retrieval_scores IS 'Recall at 1, 5 and 10 and median rank of the own partner, in both directions, and the values expected by chance: retrieval_scores(run, split).';
