"""UK Biobank's formats in: bytes become typed records. Knows no other part of the package but its errors."""
