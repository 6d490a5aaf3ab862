"""Documents to numbered units: tokenizer, shards, order, units."""
