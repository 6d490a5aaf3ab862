"""Code shared by objectives over images and sounds: built-in data, sources of patches, and baselines."""
