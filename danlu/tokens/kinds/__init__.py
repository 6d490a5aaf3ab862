"""Kinds of tokenizers: one file and one import here for each."""

from danlu.tokens.kinds import byte, byte_bpe, character, file, unigram, word, wordpiece

__all__ = ["byte", "byte_bpe", "character", "file", "unigram", "word", "wordpiece"]
