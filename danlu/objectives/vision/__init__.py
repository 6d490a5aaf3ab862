"""Shared by objectives over images and sounds: built-in data, patch sources and baselines without a network."""
