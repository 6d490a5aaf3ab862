"""danlu: raw text in, a language model out."""

__version__ = "0.1.0"
