"""Raw files in a folder or a bucket."""
