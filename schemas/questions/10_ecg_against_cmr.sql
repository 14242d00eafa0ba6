-- Which measurements of the ECG device correlate with measurements of CMR?
UNPIVOT (
    SELECT corr(qrs_duration_ms, LVEDV) AS qrs_lvedv, corr(qrs_duration_ms, LVEF) AS qrs_lvef, corr(qtc_interval_ms, LVEF) AS qtc_lvef,
        corr(ventricular_rate_bpm, LVSV) AS rate_lvsv, corr(p_duration_ms, LAV_max) AS p_lav
    FROM recordings JOIN traits_wide USING (eid, instance)
) ON COLUMNS(*) INTO NAME pair VALUE r
