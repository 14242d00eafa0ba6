-- Placeholder: one SELECT per feature view, with its modality; a feature row names the slot it was computed from.
CREATE VIEW lineage AS
WITH feature AS (
    {views}
),
version AS (
    SELECT data_version, max(dvc_md5) AS dvc_md5, arg_min(git_commit, recorded_at) AS git_commit
    FROM data_versions GROUP BY data_version
)
SELECT
    f.feature_view, f.eid, f.instance,
    CASE f.modality WHEN 'ecg' THEN 'data/ecg.zarr/clean' ELSE 'data/cine.zarr/frames' END AS "array",
    f.array_row, s.record_sha256, s.path AS raw_path, s.file_sha256 AS raw_sha256, s.is_current,
    f.data_version, v.dvc_md5, v.git_commit,
    f.run, f.run_id, r.weights_sha256, r.params_sha256, r.parents,
    r.gate_status, r.gate_sha256, r.gate_override
FROM feature f
LEFT JOIN slots s ON s.modality = f.modality AND s."row" = f.array_row AND s.eid = f.eid AND s.instance = f.instance
LEFT JOIN runs r ON r.run_id = f.run_id
LEFT JOIN version v ON v.data_version = f.data_version;
COMMENT ON VIEW lineage IS 'From every feature row down to the raw file: array slot and its checksum, raw file and its SHA-256, data version, run, weights, parameters and gate.';
