"""The reader process, which reads raw files under limits."""
