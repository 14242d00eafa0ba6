-- Columns of the suite traits: those of its source, and these.

-- name: source
traits

-- name: is_finite
isfinite("value")
