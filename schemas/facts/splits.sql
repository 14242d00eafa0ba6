-- One split per participant, in the proportions of params.yaml. Each query returns one number; its limit is in
-- schemas/expectations/facts.json.

-- name: participants_in_two_splits
SELECT count(*) FROM (
    SELECT eid FROM (SELECT eid, split FROM splits UNION SELECT eid, split FROM pairs) GROUP BY eid HAVING count(*) > 1
)

-- name: participants_without_split
SELECT count(*) FROM participants ANTI JOIN splits USING (eid)

-- name: imaged_participants_without_split
SELECT count(*) FROM (SELECT eid FROM recordings UNION SELECT eid FROM cines) i ANTI JOIN splits USING (eid)

-- name: overlapping_split_buckets
WITH span AS (SELECT split, min(bucket) AS first, max(bucket) AS last FROM splits GROUP BY split)
SELECT count(*) FROM span a JOIN span b ON a.split < b.split AND a.first <= b.last AND b.first <= a.last

-- name: split_share_deviation
-- Largest distance of a split's share from its target, in standard errors of a share among that many participants.
WITH target AS (SELECT unnest(getvariable('split_shares'), recursive := true)),
n AS (SELECT count(*) AS n FROM splits)
SELECT max(
    abs((SELECT count(*) FROM splits s WHERE s.split = t.split) / n.n - t.share) / sqrt(t.share * (1 - t.share) / n.n)
)
FROM target t, n WHERE n.n > 0 AND t.share > 0 AND t.share < 1

-- name: splits_without_pairs
SELECT count(*) FROM (SELECT unnest(getvariable('split_shares'), recursive := true)) t
WHERE t.share > 0 AND t.split NOT IN (SELECT p.split FROM pairs p)
