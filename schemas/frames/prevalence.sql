-- Shares of participants that ever had a disease, in percent: one row for the cohort.
-- Simulated participants (ids from 9,000,000 up) are excluded, because simulated cohorts are enriched with disease by
-- default. A share is null, and not judged, among fewer than 2,000 participants: chance alone would take it out of its band.

-- name: source
(
    WITH judged AS (
        SELECT code, eid, bool_or("value") AS has_disease FROM labels
        WHERE definition = 'ever' AND eid < 9000000 GROUP BY code, eid
    ),
    shares AS (SELECT code, 100 * avg(has_disease::INTEGER) AS share FROM judged GROUP BY code HAVING count(*) >= 2000)
    SELECT
        max(share) FILTER (code = 'I21') AS i21_percent,
        max(share) FILTER (code = 'I42') AS i42_percent,
        max(share) FILTER (code = 'I48') AS i48_percent,
        max(share) FILTER (code = 'I50') AS i50_percent
    FROM shares
)
