-- Columns of the suite pairs: those of its source, and these.

-- name: source
pairs

-- name: visit_year
year(visit_date)
