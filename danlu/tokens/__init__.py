"""Documents to numbered units: tokenizers, shards, the order of an epoch, units."""

from danlu.tokens import kinds

__all__ = ["kinds"]
