"""Commands of panel Operations."""
