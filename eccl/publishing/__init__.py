"""Builds and publishes releases of the feature store."""
