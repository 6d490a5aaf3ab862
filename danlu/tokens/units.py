"""Units: the numbered pieces of data an objective learns from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Windows:
    """Units are windows of a fixed number of tokens, cut where documents meet.

    overlap: tokens that each piece shares with the next piece of the same document (1 when the following token is the
    label of the last position, so that every step from token to token is learned exactly once an epoch).
    """

    overlap: int = 0


@dataclass(frozen=True)
class Rows:
    """Units are rows of a table."""
