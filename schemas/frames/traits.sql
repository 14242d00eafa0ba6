-- What the suite traits sees: the columns of its source, and these.

-- name: source
traits

-- name: is_finite
isfinite("value")
