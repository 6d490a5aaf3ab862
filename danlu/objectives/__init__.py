"""What is predicted: one file each. One import line registers an objective."""

from danlu.objectives import (
    autoencoder,
    bidirectional,
    causal,
    image_text,
    latent_gan,
    masked,
    mixture,
    patches,
    permutation,
    prefix,
    reconstruct,
    replaced,
    translation,
)

__all__ = [
    "autoencoder",
    "bidirectional",
    "causal",
    "image_text",
    "latent_gan",
    "masked",
    "mixture",
    "patches",
    "permutation",
    "prefix",
    "reconstruct",
    "replaced",
    "translation",
]
