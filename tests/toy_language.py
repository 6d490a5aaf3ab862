"""A language that a model of a few thousand parameters learns in a second: each token is followed by itself plus 3."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from danlu import durable
from danlu.errors import WrongInput
from danlu.objective import Sample
from danlu.tokens.shards import FACTS, PARTS, ShardWriter, TokenStore
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.samples import UnitSample, unit_index

ORDINARY, FIRST = 8, 4
SENTINELS = (12, 13, 14, 15)
VOCABULARY = Vocabulary(
    size=16, bos=1, eos=2, mask=3, pad=0, special=frozenset((*range(FIRST), *SENTINELS)), sentinels=SENTINELS
)
STEP = 3
MARKS = np.array([3, 1, 0], np.uint8)
"""Sentences of three tokens: a word of one token, then one of two. Three does not divide the eight tokens of the cycle,
so that two sentences in their order differ from the two swapped."""


def sentence(first: int, length: int) -> np.ndarray:
    """[length] token ids, the first of them ordinary token number `first`."""
    return FIRST + (first + STEP * np.arange(length)) % ORDINARY


TOPICS, TOPIC = 4, 4
TOPICAL = Vocabulary(size=4 + TOPICS * TOPIC, bos=1, eos=2, mask=3, pad=0, special=frozenset(range(4)))


def topical_sentence(topic: int, first: int, length: int) -> np.ndarray:
    """[length] token ids: cycles through the four tokens of a topic, which no other topic has."""
    return len(TOPICAL.special) + topic * TOPIC + (first + np.arange(length)) % TOPIC


@dataclass(frozen=True)
class ToySamples:
    """Units of one to three sentences of 1 to 11 tokens; every third unit starts with the begin token. With the
    vocabulary TOPICAL each sentence has a topic, by which texts can be distinguished."""

    seed: int = 0
    units: int = 64
    vocabulary: Vocabulary = VOCABULARY

    tokens_per_unit = 10.0

    def text(self, rng: np.random.Generator, length: int) -> np.ndarray:
        first = int(rng.integers(ORDINARY))
        if self.vocabulary is TOPICAL:
            return topical_sentence(int(rng.integers(TOPICS)), first, length)
        return sentence(first, length)

    def pieces(self, unit: int, overlap: int) -> list[np.ndarray]:
        rng = np.random.default_rng((77, unit))
        lengths = rng.integers(1, 12, rng.integers(1, 4))
        found = [self.text(rng, int(length) + overlap) for length in lengths]
        if unit % 3 == 0:
            found[0] = np.concatenate([[self.vocabulary.bos], found[0]])
        return found

    def draw(self, n: int, progress: float = 0.0) -> Sample:
        unit = unit_index(self.seed, n, self.units, shuffled=True)
        return UnitSample(
            self.seed,
            n,
            progress,
            self.vocabulary,
            *self.reading(unit),
            another=lambda sample: sample.with_unit(*self.reading(int(sample.rng.integers(self.units)))),
        )

    def reading(self, unit: int):
        return (
            lambda overlap: self.pieces(unit, overlap),
            lambda overlap: [MARKS[np.arange(len(piece)) % len(MARKS)] for piece in self.pieces(unit, overlap)],
        )


class ToySource:
    """The toy language as a source of units: every split is the same 40 documents of one sentence each."""

    vocabulary = VOCABULARY

    def __init__(self, folder: Path):
        self.folder = folder

    def store(self, split: str) -> TokenStore:
        shards = self.folder / "toy-shards"
        if not shards.exists():
            shards.mkdir(parents=True)
            documents = [np.concatenate([[1], sentence(k, 3 + k % 9), [2]]) for k in range(40)]
            with ShardWriter(shards, "train", np.dtype("<u2"), 1 << 20) as writer:
                for ids in documents:
                    writer.add(ids, len(ids))
            splits = dict.fromkeys(("train", "validation", "test"), writer.counts)
            for name, other in (("validation", "train"), ("test", "train")):
                for part in PARTS:
                    shutil.copy(shards / f"{other}-00000.{part}", shards / f"{name}-00000.{part}")
            durable.write_json(shards / FACTS, {"dtype": "uint16", "splits": splits})
        return TokenStore(shards, split)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Map each character to an ordinary token."""
        return [np.array([FIRST + ord(c) % ORDINARY for c in text], np.int64) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(str(int(i)) for i in ids)

    def model(self, name: str):
        raise WrongInput(f"no model called {name!r} stands earlier in the recipe")
