"""Train, validation and test splits by the hash of each document.

The hashed text is the one that represents its variants (`danlu.text.normal_form`); a text without variants represents
itself. So variants of a text are always in the same split, and adding documents moves no document to another split
unless they are its variants.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

SPLITS = ("train", "validation", "test")
SALT = "danlu"


def fraction(text: str, salt: str = SALT) -> float:
    """Return a number in [0, 1) that depends only on the text and the salt."""
    digest = hashlib.blake2b(text.encode(), key=salt.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53  # 53 bits are exact in a double


@dataclass(frozen=True)
class Cuts:
    """Thresholds of `fraction`: documents below `validation` are in validation, others below `test` in test."""

    validation: float
    test: float

    def split(self, fraction: float) -> str:
        return "validation" if fraction < self.validation else "test" if fraction < self.test else "train"


def cuts_by_share(validation: float, test: float) -> Cuts:
    """Return the cuts that give these shares of a large corpus."""
    return Cuts(validation, validation + test)


def cuts_by_order(fractions: Iterable[float], validation: float, test: float) -> Cuts:
    """Return cuts that leave no split empty, for a corpus so small that `cuts_by_share` leaves one empty.

    The documents are taken in the order of their fractions: first the validation share, then the test share, each at
    least one document; at least one remains for training. With these cuts, adding documents can move others. Raises
    ValueError for fewer than 3 different fractions.
    """
    ordered = sorted(set(fractions))
    n = len(ordered)
    if n < 3:
        raise ValueError(f"{n} documents cannot fill 3 splits")
    held = min(max(1, round(n * validation)), n - 2)
    tested = min(max(1, round(n * test)), n - 1 - held)
    return Cuts(ordered[held], ordered[held + tested])
