"""Documents to numbered units: tokenizer, shards, order, units. One import line registers a tokenizer."""

from danlu.tokens import byte_bpe

__all__ = ["byte_bpe"]
