"""Commands of panel Study."""
