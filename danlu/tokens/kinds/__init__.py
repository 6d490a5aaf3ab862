"""Kinds of tokenizers: one module each, registered by its import here."""

from danlu.tokens.kinds import byte, byte_bpe, character, file, unigram, word, wordpiece

__all__ = ["byte", "byte_bpe", "character", "file", "unigram", "word", "wordpiece"]
