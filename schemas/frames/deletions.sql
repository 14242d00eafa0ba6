-- What the suite deletions sees: the columns of its source, and these.

-- name: source
deletions

-- name: deleted_year
year(deleted_on)
