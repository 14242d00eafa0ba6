-- Which recordings need a second reading?
SELECT eid, instance, flags, flat_leads, round(noise_rms_uv, 1) AS noise_uv, round(baseline_rms_uv) AS baseline_uv,
    round(lead_identity_error_uv) AS identity_error_uv
FROM recordings
WHERE flags <> '' OR flat_leads > 0 OR noise_rms_uv > (SELECT quantile_cont(noise_rms_uv, 0.9) FROM recordings)
ORDER BY noise_rms_uv DESC LIMIT 5
