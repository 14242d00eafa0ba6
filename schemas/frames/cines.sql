-- Columns of the suite cines: those of its source, and these.

-- name: source
cines

-- name: has_relative_path
is_relative_path(path)

-- name: acquired_year
year(acquired_on)

-- name: follows_frame_rule
is_resampled = (native_frames <> getvariable('frames'))

-- name: spacing_ratio
spacing_row_mm / nullif(spacing_column_mm, 0)

-- name: box_height_mm
(box_bottom - box_top) * spacing_row_mm

-- name: box_width_mm
(box_right - box_left) * spacing_column_mm

-- name: window_shows_image
window_top + getvariable('window_px') > 0 AND window_left + getvariable('window_px') > 0 AND window_top <
    matrix_rows AND window_left < matrix_columns

-- name: path_names_visit
names_visit(path, 20209, eid, instance)

-- name: has_plain_flags
is_flag_list(flags)

-- name: field_of_view_mm
greatest(matrix_rows * spacing_row_mm, matrix_columns * spacing_column_mm)

-- name: stack_height_mm
slice_count * slice_step_mm

-- name: box_shows_heart
-- The part of the window inside the image must overlap the box.
window_top + box_bottom > 0 AND window_left + box_right > 0
    AND window_top + box_top < matrix_rows AND window_left + box_left < matrix_columns

-- name: has_plain_texts
is_plain_text(manufacturer)
