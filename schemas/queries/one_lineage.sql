-- Lineage of one embedding, to the bytes of its raw file.
UNPIVOT (
    SELECT feature_view, run_id, data_version, dvc_md5, git_commit[:10] AS git_commit, "array" || ' row ' || array_row AS array_slot,
        record_sha256[:16] AS record_sha256, raw_sha256[:16] AS raw_sha256, weights_sha256[:16] AS weights_sha256,
        params_sha256[:16] AS params_sha256, gate_status, gate_sha256[:16] AS gate_sha256
    FROM lineage WHERE run = 'align-traits' AND feature_view = 'ecg_embedding' ORDER BY array_row LIMIT 1
) ON COLUMNS(*)::VARCHAR INTO NAME link VALUE "value"
