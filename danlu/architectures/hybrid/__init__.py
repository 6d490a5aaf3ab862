"""Hybrid networks of attention, recurrence and convolution."""

from danlu.architectures.hybrid.hybrid import Hybrid

__all__ = ["Hybrid"]
