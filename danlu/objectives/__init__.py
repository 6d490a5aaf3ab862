"""What is predicted: one file each. One import line registers an objective."""

from danlu.objectives import (
    causal,
    contrastive,
    masked,
    masked_sentence,
    mixture,
    next_sentence,
    permutation,
    prefix,
    relatedness,
    sentence_order,
)

__all__ = [
    "causal",
    "contrastive",
    "masked",
    "masked_sentence",
    "mixture",
    "next_sentence",
    "permutation",
    "prefix",
    "relatedness",
    "sentence_order",
]
