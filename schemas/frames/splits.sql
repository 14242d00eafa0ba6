-- Columns of the suite splits: those of its source, and these.

-- name: source
splits
