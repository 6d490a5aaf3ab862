"""What is predicted: one file each. One import line registers an objective."""

from danlu.objectives import causal, denoising, masked, mixture, permutation, prefix, replaced, spans

__all__ = ["causal", "denoising", "masked", "mixture", "permutation", "prefix", "replaced", "spans"]
