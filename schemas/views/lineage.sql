-- Placeholder: one "SELECT 'view' AS feature_view, modality, run, run_id, eid, instance, data_version FROM features.view" per view.
CREATE VIEW lineage AS
WITH feature AS (
    {views}
),
origin AS (
    SELECT 'ecg' AS modality, eid, instance, 'data/ecg.zarr/clean' AS "array", "row", clean_sha256 AS record_sha256,
        path, file_sha256 FROM recordings
    UNION ALL
    SELECT 'cine', eid, instance, 'data/cine.zarr/frames', "row", frames_sha256, path, file_sha256 FROM cines
)
SELECT
    f.feature_view, f.eid, f.instance,
    o."array", o."row" AS array_row, o.record_sha256, o.path AS raw_path, o.file_sha256 AS raw_sha256,
    f.data_version, v.dvc_md5, v.git_commit,
    f.run, f.run_id, r.weights_sha256, r.params_sha256, r.parents,
    r.gate_status, r.gate_sha256, r.gate_override
FROM feature f
LEFT JOIN origin o ON o.modality = f.modality AND o.eid = f.eid AND o.instance = f.instance
LEFT JOIN runs r ON r.run_id = f.run_id
LEFT JOIN (SELECT data_version, max(dvc_md5) AS dvc_md5, arg_min(git_commit, recorded_at) AS git_commit FROM data_versions GROUP BY data_version) v
    ON v.data_version = f.data_version;
COMMENT ON VIEW lineage IS 'From every feature row down to the raw file: array slot and its checksum, raw file and its SHA-256, data version, run, weights, parameters and gate.';
