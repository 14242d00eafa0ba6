"""Table 1 as Markdown, CSV and figure."""
