"""What is predicted: one file each. One import line registers an objective."""

from danlu.objectives import causal, cbow, glove, masked, mixture, permutation, prefix, skipgram

__all__ = ["causal", "cbow", "glove", "masked", "mixture", "permutation", "prefix", "skipgram"]
