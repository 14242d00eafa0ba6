-- A feature row names the slot it was computed from; everything else follows from that slot and from its run.
CREATE VIEW lineage AS
WITH version AS (
    SELECT data_version, max(dvc_md5) AS dvc_md5, arg_min(git_commit, recorded_at) AS git_commit, max(deleted_on) AS deleted_on
    FROM data_versions GROUP BY data_version
)
SELECT
    f.feature_view, f.eid, f.instance, f.state,
    CASE f.modality {arrays} END AS "array",
    f.array_row, s.record_sha256, s.path AS raw_path, s.file_sha256 AS raw_sha256, s.is_current,
    f.data_version, v.dvc_md5, v.git_commit, v.deleted_on AS data_version_deleted_on,
    f.run, f.run_id, r.data_version AS trained_on, r.weights_sha256, r.params_sha256, r.parents, r.tainted_since,
    coalesce(m.gate_status, r.gate_status) AS gate_status, coalesce(m.gate_sha256, r.gate_sha256) AS gate_sha256,
    CASE WHEN m.run_id IS NULL THEN r.gate_override ELSE m.gate_override END AS gate_override
FROM feature_rows f
LEFT JOIN slots s ON s.modality = f.modality AND s."row" = f.array_row AND s.eid = f.eid AND s.instance = f.instance
LEFT JOIN runs r ON r.run_id = f.run_id
LEFT JOIN materializations m ON m.run_id = f.run_id AND m.data_version = f.data_version AND m.reason = 'materialized'
LEFT JOIN version v ON v.data_version = f.data_version;
COMMENT ON VIEW lineage IS 'From every feature row to the raw file: array slot and its checksum, raw file and its SHA-256, data version, run, weights, parameters and gate.';
COMMENT ON COLUMN lineage.feature_view IS 'Feature view';
COMMENT ON COLUMN lineage.eid IS 'Participant';
COMMENT ON COLUMN lineage.instance IS 'Visit';
COMMENT ON COLUMN lineage.state IS 'current, superseded or stale, as in the features';
COMMENT ON COLUMN lineage."array" IS 'Array the row was computed from';
COMMENT ON COLUMN lineage.array_row IS 'Slot in that array';
COMMENT ON COLUMN lineage.record_sha256 IS 'SHA-256 of what the model read';
COMMENT ON COLUMN lineage.raw_path IS 'Raw file, relative to the folder that was ingested';
COMMENT ON COLUMN lineage.raw_sha256 IS 'SHA-256 of the raw file';
COMMENT ON COLUMN lineage.is_current IS 'False where a later file of the same visit superseded the slot';
COMMENT ON COLUMN lineage.data_version IS 'Data version the row was computed on';
COMMENT ON COLUMN lineage.dvc_md5 IS 'DVC''s hash of that version; null where it was not recorded';
COMMENT ON COLUMN lineage.git_commit IS 'First commit that recorded it';
COMMENT ON COLUMN lineage.data_version_deleted_on IS 'Date of the withdrawal that purged this version from cache and remote; null while it can be restored';
COMMENT ON COLUMN lineage.run IS 'Run that wrote the row';
COMMENT ON COLUMN lineage.run_id IS 'Content id of that run';
COMMENT ON COLUMN lineage.trained_on IS 'Data version the model was trained on; another than data_version where the row was materialized later';
COMMENT ON COLUMN lineage.weights_sha256 IS 'SHA-256 of the weights';
COMMENT ON COLUMN lineage.params_sha256 IS 'SHA-256 of the resolved parameters';
COMMENT ON COLUMN lineage.parents IS 'Run ids whose weights were read, comma-separated';
COMMENT ON COLUMN lineage.tainted_since IS 'Date of the first withdrawal of a participant whose data the model used; null otherwise';
COMMENT ON COLUMN lineage.gate_status IS 'Gate of the data the row was computed on: passed, or overridden';
COMMENT ON COLUMN lineage.gate_sha256 IS 'SHA-256 of the gate''s results';
COMMENT ON COLUMN lineage.gate_override IS 'Reason given for continuing although the gate failed; null otherwise';
