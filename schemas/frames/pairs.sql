-- What the suite pairs sees: the columns of its source, and these.

-- name: source
pairs

-- name: visit_year
year(visit_date)
