-- Imaging visits that are not pairs, one row per reason. A visit counts once anything of it is known.
WITH known AS (
    SELECT eid, instance FROM visits WHERE instance >= 2
    UNION SELECT eid, instance FROM recordings
    UNION SELECT eid, instance FROM cines
    UNION SELECT eid, instance FROM quarantine WHERE kind IN ('ecg', 'cine') AND eid IS NOT NULL
),
-- Withdrawn participants are in no table and get no row here; participants with only a quarantined file do.
imaging AS (
    SELECT known.* FROM known
    WHERE eid IN (SELECT eid FROM participants)
        OR eid NOT IN (SELECT eid FROM recordings UNION SELECT eid FROM cines)
),
quarantined AS (
    SELECT kind, eid, instance, arg_max(reason, coalesce("row", -1)) AS reason
    FROM quarantine WHERE kind IN ('ecg', 'cine') AND eid IS NOT NULL GROUP BY kind, eid, instance
)
SELECT i.eid, i.instance, CASE WHEN q.eid IS NULL THEN 'no_ecg' ELSE 'ecg_quarantined' END AS reason,
    coalesce('refused: ' || q.reason, 'no file of field 20205 for this visit') AS detail
FROM imaging i
LEFT JOIN quarantined q ON q.kind = 'ecg' AND q.eid = i.eid AND q.instance = i.instance
WHERE NOT EXISTS (SELECT 1 FROM recordings r WHERE r.eid = i.eid AND r.instance = i.instance)
UNION ALL
SELECT i.eid, i.instance, CASE WHEN q.eid IS NULL THEN 'no_cine' ELSE 'cine_quarantined' END,
    coalesce('refused: ' || q.reason, 'no file of field 20209 for this visit')
FROM imaging i
LEFT JOIN quarantined q ON q.kind = 'cine' AND q.eid = i.eid AND q.instance = i.instance
WHERE NOT EXISTS (SELECT 1 FROM cines c WHERE c.eid = i.eid AND c.instance = i.instance)
