"""The Transformer, made of small parts: norm, positions, attention, feed-forward."""

from danlu.architectures.transformer.transformer import Transformer

__all__ = ["Transformer"]
