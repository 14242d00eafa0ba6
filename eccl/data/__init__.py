"""What is on disk: arrays, Parquet tables, atomic writes, the write lock. Knows no format and no model."""
