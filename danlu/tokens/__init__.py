"""Documents to numbered units: tokenizer, shards, order, units. One import line registers a tokenizer."""

from danlu.tokens import kinds

__all__ = ["kinds"]
