-- Slots, raw files and quarantine. Each query returns one number; its limit is in schemas/expectations/facts.json.

-- name: recordings_in_deleted_slots
SELECT count(*) FROM recordings SEMI JOIN (SELECT "row" FROM deletions WHERE modality = 'ecg') d USING ("row")

-- name: cines_in_deleted_slots
SELECT count(*) FROM cines SEMI JOIN (SELECT "row" FROM deletions WHERE modality = 'cine') d USING ("row")

-- name: recording_slots_in_quarantine
SELECT count(*) FROM recordings SEMI JOIN (SELECT "row" FROM quarantine WHERE kind = 'ecg') q USING ("row")

-- name: cine_slots_in_quarantine
SELECT count(*) FROM cines SEMI JOIN (SELECT "row" FROM quarantine WHERE kind = 'cine') q USING ("row")

-- name: recordings_shared_by_participants
SELECT count(*) FROM (SELECT file_sha256 FROM recordings GROUP BY 1 HAVING count(DISTINCT eid) > 1)

-- name: cines_shared_by_participants
SELECT count(*) FROM (SELECT file_sha256 FROM cines GROUP BY 1 HAVING count(DISTINCT eid) > 1)

-- name: quarantined_ecg_share
WITH quarantined AS (SELECT count(*) AS n FROM quarantine WHERE kind = 'ecg')
SELECT n / nullif(n + (SELECT count(*) FROM recordings), 0) FROM quarantined

-- name: quarantined_cine_share
WITH quarantined AS (SELECT count(*) AS n FROM quarantine WHERE kind = 'cine')
SELECT n / nullif(n + (SELECT count(*) FROM cines), 0) FROM quarantined
