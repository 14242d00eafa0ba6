-- Columns of the suite diagnoses: those of its source, and these.

-- name: source
diagnoses

-- name: date_status_agrees
("date" IS NOT NULL) = (date_status = 'known')

-- name: has_placeholder_date
is_placeholder_date("date")

-- name: event_year
year("date")
