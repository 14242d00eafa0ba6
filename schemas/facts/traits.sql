-- Traits compared with their dictionary and with cines. Each query returns one number; its limit is in
-- schemas/expectations/facts.json.

-- name: traits_without_field
SELECT count(DISTINCT field_id) FROM traits ANTI JOIN fields USING (field_id)

-- name: traits_outside_the_82
SELECT count(DISTINCT field_id) FROM traits
SEMI JOIN (SELECT field_id FROM fields WHERE trait_index IS NULL) f USING (field_id)

-- name: trait_positions_missing
SELECT 82 - count(DISTINCT fields.trait_index) FROM fields

-- name: cardiac_output_against_cycle_share
-- CO = SV x rate / 1000. The rate of the cine's cycle was measured minutes apart from that of the analysis:
-- differences up to a third are accepted. Null where fewer than 20 visits have both.
WITH judged AS (
    SELECT abs(output."value" / (stroke."value" * 60000 / c.cycle_ms / 1000) - 1) > 0.33 AS is_off
    FROM (SELECT traits.eid, traits.instance, traits."value" FROM traits WHERE traits.field_id = 24104) output
    JOIN (SELECT traits.eid, traits.instance, traits."value" FROM traits WHERE traits.field_id = 24102) stroke
        USING (eid, instance)
    JOIN (
        SELECT cines.eid, cines.instance, arg_max(cines.cycle_ms, cines."row") AS cycle_ms FROM cines GROUP BY ALL
    ) c USING (eid, instance)
    WHERE stroke."value" > 0 AND c.cycle_ms > 0
)
SELECT CASE WHEN count(*) >= 20 THEN avg(is_off::INTEGER) END FROM judged
