-- Exact neighbours in SQL: FROM nearest('ecg_projection', 9000123, 2, 10). Filter by joining on (eid, instance).
CREATE MACRO nearest(feature_view, of_eid, of_instance, k) AS TABLE
SELECT eid, instance, "split", array_cosine_similarity("vector", (
        SELECT "vector" FROM query_table('features.' || feature_view || '_latest') WHERE eid = of_eid AND instance = of_instance
    )) AS similarity
FROM query_table('features.' || feature_view || '_latest')
WHERE (eid, instance) <> (of_eid, of_instance)
ORDER BY similarity DESC, eid, instance LIMIT k;
COMMENT ON MACRO TABLE nearest IS 'The k visits nearest to one visit by cosine similarity in the current rows of a view''s default run: nearest(view, eid, instance, k).';
-- The same for a vector of your own, also of another view: does an ECG find its own cine?
CREATE MACRO nearest_vector(feature_view, query, k) AS TABLE
SELECT eid, instance, "split", array_cosine_similarity("vector", query) AS similarity
FROM query_table('features.' || feature_view || '_latest')
ORDER BY similarity DESC, eid, instance LIMIT k;
COMMENT ON MACRO TABLE nearest_vector IS 'The k visits whose vectors are nearest to a given one: nearest_vector(view, vector, k).';
