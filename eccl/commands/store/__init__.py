"""Commands of panel Store."""
