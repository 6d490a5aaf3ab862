"""What is predicted: one file each. One import line registers an objective."""

from danlu.objectives import causal, image_text, masked, mixture, patches, permutation, prefix

__all__ = ["causal", "image_text", "masked", "mixture", "patches", "permutation", "prefix"]
