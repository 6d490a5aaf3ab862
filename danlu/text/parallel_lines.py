"""Parallel text: the two sides of each row of a table, and which split a pair is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from danlu.errors import WrongInput, nearest
from danlu.text.compressed import suffix
from danlu.text.documents import Rejected
from danlu.text.formats.tables import SPLITTERS, rows
from danlu.text.readers import missing
from danlu.text.sentence_pairs import Pair, sentence_pairs
from danlu.text.split import SPLITS, cuts, cuts_by_order, fraction

BUILTIN: dict[str, Callable[[], Iterable[Pair]]] = {"builtin:sentence_pairs": sentence_pairs}


def read_pairs(source: str, columns: tuple[str, str]) -> list[Pair]:
    """The pairs of a `.tsv` or `.csv` with a header, plain or .gz or .zst, or a built-in; a pair that comes again is
    left out, as is one with an empty side.

    WrongInput, with file and line, for a missing file or column, another number of fields than the header has, and rows
    that are no text.
    """
    if source.startswith("builtin:"):
        if source not in BUILTIN:
            raise WrongInput(f"pairs: {source} is unknown; {nearest(source, BUILTIN)}")
        return list(BUILTIN[source]())
    path = Path(source).expanduser()
    if not path.exists():
        raise missing(path, "pairs")
    if suffix(path) not in SPLITTERS:
        raise WrongInput(f"pairs: {path} is no table that danlu reads; known: .tsv, .csv, each also with .gz or .zst")
    found = list(dict.fromkeys(pair for pair in table_pairs(path, columns) if all(pair)))
    if not found:
        raise WrongInput(f"pairs: {path} has no row with both {columns[0]!r} and {columns[1]!r} below its header")
    return found


def table_pairs(path: Path, columns: tuple[str, str]) -> Iterator[Pair]:
    read = rows(path)
    _, header = next(read, (1, []))
    if isinstance(header, Rejected):
        raise WrongInput(f"{header.name}: {header.reason}")
    for column in columns:
        if column not in header:
            raise WrongInput(f"{path}:1: has no column {column!r}; {nearest(column, header)}")
    first, second = (header.index(column) for column in columns)
    for line, fields in read:
        if isinstance(fields, Rejected):
            raise WrongInput(f"{fields.name}: {fields.reason}")
        if len(fields) != len(header):
            raise WrongInput(f"{path}:{line}: has {len(fields)} fields, the header has {len(header)}")
        yield fields[first].strip(), fields[second].strip()


def pairs_of_split(pairs: Sequence[Pair], split: str, validation: float, test: float) -> list[Pair]:
    """Those of a split, by the hash of the first side: a sentence with several translations is on one side of a split.
    They come in the order of their hashes, so that neighbours have no more in common than others.

    WrongInput when there are fewer than three different first sides.
    """
    places = [fraction(first) for first, _ in pairs]
    where = cuts(validation, test)
    if {where.split(place) for place in places} < set(SPLITS):
        if len(set(places)) < len(SPLITS):
            raise WrongInput(f"pairs: {len(set(places))} different first sides cannot fill {len(SPLITS)} splits")
        where = cuts_by_order(places, validation, test)
    ordered = sorted(zip(places, pairs, strict=True))
    return [pair for place, pair in ordered if where.split(place) == split]
