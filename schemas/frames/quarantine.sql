-- Columns of the suite quarantine: those of its source, and these.

-- name: source
quarantine

-- name: has_relative_path
is_relative_path(path)

-- name: has_detail
coalesce(trim(detail) <> '', false)

-- name: has_remedy
coalesce(trim(remedy) <> '', false)

-- name: names_participant
coalesce(contains(detail || ' ' || remedy, eid::VARCHAR), false)

-- name: reason_fits_kind
CASE split_part(reason, '_', 1) WHEN 'ecg' THEN kind = 'ecg' WHEN 'xml' THEN kind = 'ecg' WHEN 'cine' THEN kind =
    'cine' WHEN 'zip' THEN kind = 'cine' WHEN 'table' THEN kind = 'table' ELSE true END
