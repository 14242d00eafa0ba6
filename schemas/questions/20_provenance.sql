-- Where does one prediction come from, back to the bytes of its raw file?
UNPIVOT (
    SELECT run_id, data_version, dvc_md5[:16] AS dvc_md5, "array" || ' row ' || array_row AS slot, record_sha256[:16] AS record_sha256,
        raw_sha256[:16] AS raw_sha256, weights_sha256[:16] AS weights_sha256, params_sha256[:16] AS params_sha256,
        gate_status, coalesce(tainted_since::VARCHAR, 'never') AS tainted
    FROM lineage WHERE feature_view = 'disease_prediction' AND run = 'align-I50' ORDER BY eid, instance LIMIT 1
) ON COLUMNS(*)::VARCHAR INTO NAME link VALUE "value"
