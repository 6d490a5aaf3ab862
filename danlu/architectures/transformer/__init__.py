"""The Transformer and its parts."""

from danlu.architectures.transformer.transformer import Transformer

__all__ = ["Transformer"]
