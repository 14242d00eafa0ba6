CREATE TABLE recordings (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, "row" BIGINT NOT NULL,
    path VARCHAR NOT NULL, file_sha256 VARCHAR NOT NULL, file_bytes BIGINT NOT NULL,
    raw_sha256 VARCHAR NOT NULL, clean_sha256 VARCHAR NOT NULL,
    observed_at TIMESTAMP, software VARCHAR, software_version VARCHAR,
    sample_rate_hz DOUBLE NOT NULL, resolution_uv DOUBLE NOT NULL, low_pass_hz DOUBLE, high_pass_hz DOUBLE,
    ventricular_rate_bpm DOUBLE, pq_interval_ms DOUBLE, p_duration_ms DOUBLE, qrs_duration_ms DOUBLE,
    qt_interval_ms DOUBLE, qtc_interval_ms DOUBLE, rr_interval_ms DOUBLE, pp_interval_ms DOUBLE,
    sokolow_lvh_mv DOUBLE, p_axis_deg DOUBLE, r_axis_deg DOUBLE, t_axis_deg DOUBLE, qrs_count INTEGER,
    diagnosis VARCHAR,
    rr_samples INTEGER NOT NULL, rr_source VARCHAR NOT NULL,
    lead_identity_error_uv DOUBLE NOT NULL, flat_leads TINYINT NOT NULL, saturated_fraction DOUBLE NOT NULL,
    baseline_rms_uv DOUBLE NOT NULL, noise_rms_uv DOUBLE NOT NULL, amplitude_p99_uv DOUBLE NOT NULL,
    flags VARCHAR NOT NULL,
    PRIMARY KEY (eid, instance)
);
COMMENT ON TABLE recordings IS 'One row per ingested resting ECG (field 20205): slot of its samples, raw file, measurements of the device, signal quality. A changed raw file gets a new slot; this table shows the current one.';
COMMENT ON COLUMN recordings.eid IS 'Participant';
COMMENT ON COLUMN recordings.instance IS 'Visit: 2 first imaging, 3 first repeat imaging';
COMMENT ON COLUMN recordings."row" IS 'Slot in data/ecg.zarr (raw and clean); stable, never reused for another visit';
COMMENT ON COLUMN recordings.path IS 'Raw file, relative to the folder that was ingested; the path it would have, for a row that was simulated directly into data/';
COMMENT ON COLUMN recordings.file_sha256 IS 'SHA-256 of the raw file; of the recipe (configuration, participant index, visit, modality), for a row that was simulated directly into data/ without a file';
COMMENT ON COLUMN recordings.file_bytes IS 'Size in bytes of what file_sha256 is the hash of: the raw file, or the recipe';
COMMENT ON COLUMN recordings.raw_sha256 IS 'SHA-256 of the slot''s samples in ecg.zarr/raw (int16, little-endian, C order)';
COMMENT ON COLUMN recordings.clean_sha256 IS 'SHA-256 of the slot''s samples in ecg.zarr/clean (int16, little-endian, C order)';
COMMENT ON COLUMN recordings.observed_at IS 'ObservationDateTime of the XML, as written by the device';
COMMENT ON COLUMN recordings.software IS 'Name and version of the device''s software';
COMMENT ON COLUMN recordings.software_version IS 'Version of the interpretation software';
COMMENT ON COLUMN recordings.sample_rate_hz IS 'Sample rate of the strip in Hz';
COMMENT ON COLUMN recordings.resolution_uv IS 'Microvolts per count in the XML; the arrays are already in microvolts';
COMMENT ON COLUMN recordings.low_pass_hz IS 'Device low-pass filter in Hz';
COMMENT ON COLUMN recordings.high_pass_hz IS 'Device high-pass filter in Hz';
COMMENT ON COLUMN recordings.ventricular_rate_bpm IS 'VentricularRate of the device in beats per minute; null where it gave none';
COMMENT ON COLUMN recordings.pq_interval_ms IS 'PQInterval in ms';
COMMENT ON COLUMN recordings.p_duration_ms IS 'PDuration in ms';
COMMENT ON COLUMN recordings.qrs_duration_ms IS 'QRSDuration in ms';
COMMENT ON COLUMN recordings.qt_interval_ms IS 'QTInterval in ms';
COMMENT ON COLUMN recordings.qtc_interval_ms IS 'QTCInterval in ms';
COMMENT ON COLUMN recordings.rr_interval_ms IS 'RRInterval in ms';
COMMENT ON COLUMN recordings.pp_interval_ms IS 'PPInterval in ms';
COMMENT ON COLUMN recordings.sokolow_lvh_mv IS 'SokolovLVHIndex in mV';
COMMENT ON COLUMN recordings.p_axis_deg IS 'P axis in degrees';
COMMENT ON COLUMN recordings.r_axis_deg IS 'QRS axis in degrees';
COMMENT ON COLUMN recordings.t_axis_deg IS 'T axis in degrees';
COMMENT ON COLUMN recordings.qrs_count IS 'QRSNum: beats the device found in the strip';
COMMENT ON COLUMN recordings.diagnosis IS 'Diagnosis texts of the device, joined with " | "; null where there are none';
COMMENT ON COLUMN recordings.rr_samples IS 'RR interval in samples used for baseline removal';
COMMENT ON COLUMN recordings.rr_source IS 'Where rr_samples comes from: device, signal, or default (one second) if neither is available';
COMMENT ON COLUMN recordings.lead_identity_error_uv IS 'Largest violation of the limb-lead identities (Einthoven, Goldberger) in microvolts';
COMMENT ON COLUMN recordings.flat_leads IS 'Leads without any signal';
COMMENT ON COLUMN recordings.saturated_fraction IS 'Share of samples in runs at the extreme value of their lead';
COMMENT ON COLUMN recordings.baseline_rms_uv IS 'Root mean square of the removed baseline around its mean, in microvolts, largest lead';
COMMENT ON COLUMN recordings.noise_rms_uv IS 'High-frequency noise between beats in microvolts, median lead';
COMMENT ON COLUMN recordings.amplitude_p99_uv IS '99th percentile of the absolute clean signal in microvolts, largest lead';
COMMENT ON COLUMN recordings.flags IS 'Comma-separated remarks that did not quarantine the file; empty if there are none';
