-- Columns of the suite deletions: those of its source, and these.

-- name: source
deletions

-- name: deleted_year
year(deleted_on)
