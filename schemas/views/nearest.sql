-- Exact neighbours in SQL: FROM nearest('ecg_projection', 9000123, 2, 10). The k nearest of all are taken first: to filter,
-- request all of them and limit afterwards: FROM nearest(..., 1_000_000) JOIN ... ORDER BY similarity DESC LIMIT 10.
CREATE MACRO nearest(feature_view, of_eid, of_instance, k) AS TABLE
WITH query AS (
    SELECT "vector" AS query FROM query_table('features.' || feature_view || '_latest') WHERE eid = of_eid AND instance = of_instance
)
SELECT v.eid, v.instance, v."split", array_cosine_similarity(v."vector", a.query) AS similarity
FROM query_table('features.' || feature_view || '_latest') v, query a
WHERE (v.eid, v.instance) <> (of_eid, of_instance)
ORDER BY similarity DESC, v.eid, v.instance LIMIT k;
COMMENT ON MACRO TABLE nearest IS 'The k visits nearest to one visit by cosine similarity in the current rows of a view''s default run: nearest(view, eid, instance, k). None for a visit without a vector.';
CREATE MACRO nearest_inner_product(feature_view, of_eid, of_instance, k) AS TABLE
WITH query AS (
    SELECT "vector" AS query FROM query_table('features.' || feature_view || '_latest') WHERE eid = of_eid AND instance = of_instance
)
SELECT v.eid, v.instance, v."split", array_inner_product(v."vector", a.query) AS similarity
FROM query_table('features.' || feature_view || '_latest') v, query a
WHERE (v.eid, v.instance) <> (of_eid, of_instance)
ORDER BY similarity DESC, v.eid, v.instance LIMIT k;
COMMENT ON MACRO TABLE nearest_inner_product IS 'As nearest, by inner product.';
-- The same for a given vector, also of another view, e.g. to find the own cine of an ECG.
CREATE MACRO nearest_vector(feature_view, query, k) AS TABLE
SELECT eid, instance, "split", array_cosine_similarity("vector", query) AS similarity
FROM query_table('features.' || feature_view || '_latest')
ORDER BY similarity DESC, eid, instance LIMIT k;
COMMENT ON MACRO TABLE nearest_vector IS 'The k visits whose vectors are nearest to a given one by cosine similarity: nearest_vector(view, vector, k).';
