"""Commands of panel Models."""
