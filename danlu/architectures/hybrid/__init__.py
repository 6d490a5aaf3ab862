"""Layers that mix positions in different ways: attention, recurrence, convolution."""

from danlu.architectures.hybrid.hybrid import Hybrid

__all__ = ["Hybrid"]
