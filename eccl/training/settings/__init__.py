"""Configuration of the stages."""
