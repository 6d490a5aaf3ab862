"""Kinds of tokenizers: one file each, and one import line here."""

from danlu.tokens.kinds import byte, byte_bpe, character, file, unigram, word, wordpiece

__all__ = ["byte", "byte_bpe", "character", "file", "unigram", "word", "wordpiece"]
