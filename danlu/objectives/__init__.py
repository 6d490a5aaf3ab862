"""What is predicted: one file each. One import line registers an objective."""

from danlu.objectives import bidirectional, causal, latent_gan, masked, mixture, permutation, prefix, reconstruct

__all__ = ["bidirectional", "causal", "latent_gan", "masked", "mixture", "permutation", "prefix", "reconstruct"]
