"""What is predicted: one file each. One import line registers an objective."""

from danlu.objectives import causal, cbow, clusters, glove, masked, mixture, permutation, prefix, skipgram

__all__ = ["causal", "cbow", "clusters", "glove", "masked", "mixture", "permutation", "prefix", "skipgram"]
