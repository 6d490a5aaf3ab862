"""What is predicted: one file each. One import line registers an objective."""

from danlu.objectives import causal, masked, mixture, permutation, prefix, reconstruct

__all__ = ["causal", "masked", "mixture", "permutation", "prefix", "reconstruct"]
