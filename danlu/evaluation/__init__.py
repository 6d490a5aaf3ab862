"""What a model is worth, beside its controls."""
