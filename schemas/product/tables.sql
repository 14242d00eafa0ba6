-- Files of a slot table compared with its arrays. Each query returns one number, 0 where nothing is wrong.
-- Variables: files of the table, shard_rows of its arrays (eccl/quality/product/tables.py).

-- name: rows_in_other_parts
-- in the part of another shard
SELECT count(*) FROM read_parquet(getvariable('files'), filename = true)
WHERE "row" // getvariable('shard_rows') <> regexp_extract(filename, '(\d+)\.parquet$', 1)::BIGINT
