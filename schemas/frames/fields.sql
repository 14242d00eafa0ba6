-- Columns of the suite fields: those of its source, and these.

-- name: source
fields

-- name: units_length
length(units)
