CREATE TABLE cines (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, "row" BIGINT NOT NULL,
    path VARCHAR NOT NULL, file_sha256 VARCHAR NOT NULL, file_bytes BIGINT NOT NULL, frames_sha256 VARCHAR NOT NULL,
    acquired_on DATE, manufacturer VARCHAR,
    slice_count INTEGER NOT NULL, mid_slice INTEGER NOT NULL, slice_rule VARCHAR NOT NULL,
    native_frames INTEGER NOT NULL, is_resampled BOOLEAN NOT NULL,
    missing_frames INTEGER NOT NULL, repeat_series INTEGER NOT NULL, excluded_files INTEGER NOT NULL,
    matrix_rows INTEGER NOT NULL, matrix_columns INTEGER NOT NULL,
    spacing_row_mm DOUBLE NOT NULL, spacing_column_mm DOUBLE NOT NULL, slice_step_mm DOUBLE,
    cycle_ms DOUBLE,
    window_top INTEGER NOT NULL, window_left INTEGER NOT NULL,
    box_top INTEGER NOT NULL, box_left INTEGER NOT NULL, box_bottom INTEGER NOT NULL, box_right INTEGER NOT NULL,
    box_source VARCHAR NOT NULL, box_confidence DOUBLE NOT NULL,
    intensity_low DOUBLE NOT NULL, intensity_high DOUBLE NOT NULL,
    motion_fraction DOUBLE NOT NULL, contrast DOUBLE NOT NULL, sharpness DOUBLE NOT NULL,
    manifest_status VARCHAR NOT NULL, flags VARCHAR NOT NULL,
    PRIMARY KEY (eid, instance)
);
COMMENT ON TABLE cines IS 'One row per ingested short-axis cine (field 20209): slot of its frames, their slice, window and scaling. A changed raw file gets a new slot; this table shows the current one.';
COMMENT ON COLUMN cines.eid IS 'Participant';
COMMENT ON COLUMN cines.instance IS 'Visit: 2 first imaging, 3 first repeat imaging';
COMMENT ON COLUMN cines."row" IS 'Slot in data/cine.zarr/frames; stable, never reused for another visit';
COMMENT ON COLUMN cines.path IS 'Raw file, relative to the folder that was ingested; the path it would have, for a row that was simulated directly into data/';
COMMENT ON COLUMN cines.file_sha256 IS 'SHA-256 of the raw zip; of the recipe (configuration, participant index, visit, modality), for a row that was simulated directly into data/ without a file';
COMMENT ON COLUMN cines.file_bytes IS 'Size in bytes of what file_sha256 is the hash of: the raw zip, or the recipe';
COMMENT ON COLUMN cines.frames_sha256 IS 'SHA-256 of the slot''s frames (uint8, C order)';
COMMENT ON COLUMN cines.acquired_on IS 'Acquisition date from the DICOM headers';
COMMENT ON COLUMN cines.manufacturer IS 'Scanner maker and model from the DICOM headers';
COMMENT ON COLUMN cines.slice_count IS 'Short-axis slices in the study';
COMMENT ON COLUMN cines.mid_slice IS 'Index of the stored slice, counted from the base, 0-based';
COMMENT ON COLUMN cines.slice_rule IS 'Rule that chose the slice';
COMMENT ON COLUMN cines.native_frames IS 'Frames per slice in the study';
COMMENT ON COLUMN cines.is_resampled IS 'True where the cycle was resampled periodically to 50 frames';
COMMENT ON COLUMN cines.missing_frames IS 'Frames of the stored slice that were absent or undecodable and repeat their predecessor';
COMMENT ON COLUMN cines.repeat_series IS 'Earlier acquisitions of the same slices that were superseded';
COMMENT ON COLUMN cines.excluded_files IS 'Files of other series (InlineVF, long axis) that were not used';
COMMENT ON COLUMN cines.matrix_rows IS 'Rows of the full image';
COMMENT ON COLUMN cines.matrix_columns IS 'Columns of the full image';
COMMENT ON COLUMN cines.spacing_row_mm IS 'Distance between rows in mm';
COMMENT ON COLUMN cines.spacing_column_mm IS 'Distance between columns in mm';
COMMENT ON COLUMN cines.slice_step_mm IS 'Distance between slice centres in mm';
COMMENT ON COLUMN cines.cycle_ms IS 'Length of the cardiac cycle in ms, from the trigger times';
COMMENT ON COLUMN cines.window_top IS 'First row of the stored window in the full image; negative where zero-padded';
COMMENT ON COLUMN cines.window_left IS 'First column of the stored window in the full image; negative where zero-padded';
COMMENT ON COLUMN cines.box_top IS 'Heart box: first row, in window pixels';
COMMENT ON COLUMN cines.box_left IS 'Heart box: first column, in window pixels';
COMMENT ON COLUMN cines.box_bottom IS 'Heart box: one past the last row, in window pixels';
COMMENT ON COLUMN cines.box_right IS 'Heart box: one past the last column, in window pixels';
COMMENT ON COLUMN cines.box_source IS 'segmentation or motion';
COMMENT ON COLUMN cines.box_confidence IS 'Confidence of the heart box, 0 to 1';
COMMENT ON COLUMN cines.intensity_low IS 'Image intensity stored as 0';
COMMENT ON COLUMN cines.intensity_high IS 'Image intensity stored as 255';
COMMENT ON COLUMN cines.motion_fraction IS 'Share of the window''s temporal variance inside the heart box';
COMMENT ON COLUMN cines.contrast IS 'Spread of intensity in the heart box: (p95 - p5) / (p95 + p5)';
COMMENT ON COLUMN cines.sharpness IS 'Mean gradient magnitude in the heart box relative to its contrast, per pixel';
COMMENT ON COLUMN cines.manifest_status IS 'The zip''s manifest against its headers: agrees, differs, missing or unreadable';
COMMENT ON COLUMN cines.flags IS 'Comma-separated remarks that did not quarantine the file; empty where there are none';
