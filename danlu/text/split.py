"""Train, validation and test by the hash of each document: adding documents never moves one to another split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

SPLITS = ("train", "validation", "test")
SALT = "danlu"


def fraction(text: str, salt: str = SALT) -> float:
    """A number in [0, 1) that depends on nothing but the text and the salt."""
    digest = hashlib.blake2b(text.encode(), key=salt.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53  # 53 bits are exact in a double


@dataclass(frozen=True)
class Cuts:
    """Documents whose fraction is below `validation` are validation, the rest below `test` are test."""

    validation: float
    test: float

    def split(self, fraction: float) -> str:
        return "validation" if fraction < self.validation else "test" if fraction < self.test else "train"


def cuts(validation: float, test: float) -> Cuts:
    """The cuts that give these shares of a large corpus."""
    return Cuts(validation, validation + test)


def cuts_by_order(fractions: Iterable[float], validation: float, test: float) -> Cuts:
    """Cuts that leave no split empty, for corpora so small that chance left one empty.

    The documents are taken in the order of their hashes: first the validation share, then test, each at least one
    document, and at least one remains to train on. ValueError when there are fewer than 3 different fractions.
    """
    ordered = sorted(set(fractions))
    n = len(ordered)
    if n < 3:
        raise ValueError(f"{n} documents cannot fill 3 splits")
    held = min(max(1, round(n * validation)), n - 2)
    tested = min(max(1, round(n * test)), n - 1 - held)
    return Cuts(ordered[held], ordered[held + tested])
