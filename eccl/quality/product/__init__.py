"""Checks of the whole product: arrays, tables, features, models and releases."""
