"""Storage: arrays, Parquet tables, atomic writes and the write lock; independent of raw formats and models."""
