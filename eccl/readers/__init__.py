"""Readers of UK Biobank's formats: bytes become typed records. Imports no other part of the package but its errors."""
