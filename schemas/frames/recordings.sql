-- Columns of the suite recordings: those of its source, and these.

-- name: source
recordings

-- name: has_relative_path
is_relative_path(path)

-- name: observed_year
year(observed_at)

-- name: rate_minus_60000_by_rr_bpm
ventricular_rate_bpm - 60000 / nullif(rr_interval_ms, 0)

-- name: path_names_visit
names_visit(path, 20205, eid, instance)

-- name: has_plain_flags
is_flag_list(flags)

-- name: rr_samples_error
CASE WHEN rr_source = 'device' THEN rr_samples - rr_interval_ms * sample_rate_hz / 1000 END

-- name: qtc_minus_bazett_ms
-- Bazett's correction, the device's own: QT / sqrt(RR in seconds).
qtc_interval_ms - qt_interval_ms / sqrt(nullif(rr_interval_ms, 0) / 1000)

-- name: rr_minus_pq_and_qrs_ms
rr_interval_ms - pq_interval_ms - qrs_duration_ms

-- name: has_plain_texts
is_plain_text(software) AND is_plain_text(software_version) AND is_plain_text(diagnosis)
