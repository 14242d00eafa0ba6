"""Features of later visits from finished runs."""
