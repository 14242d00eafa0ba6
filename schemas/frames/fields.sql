-- What the suite fields sees: the columns of its source, and these.

-- name: source
fields

-- name: units_length
length(units)
