-- What the suite splits sees: the columns of its source, and these.

-- name: source
splits
