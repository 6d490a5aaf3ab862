"""What is predicted: one file each. One import line registers an objective."""

from danlu.objectives import cbow, causal, masked, mixture, permutation, prefix, skipgram

__all__ = ["causal", "cbow", "masked", "mixture", "permutation", "prefix", "skipgram"]
