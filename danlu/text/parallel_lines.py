"""Parallel text: pairs of texts from a table or a built-in source, and the split of each pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from danlu.errors import WrongInput, nearest
from danlu.text.compressed import suffix
from danlu.text.documents import Rejected
from danlu.text.formats.tables import SPLITTERS, rows
from danlu.text.normal_form import representatives
from danlu.text.readers import path_not_found
from danlu.text.sentence_pairs import Pair, sentence_pairs
from danlu.text.split import SPLITS, cuts_by_order, cuts_by_share, fraction

BUILTIN: dict[str, Callable[[], Iterable[Pair]]] = {"builtin:sentence_pairs": sentence_pairs}


def read_pairs(source: str, columns: tuple[str, str]) -> list[Pair]:
    """Return the pairs of a built-in source, or of a `.tsv` or `.csv` table with a header, which may be compressed.

    Repeated pairs and pairs with an empty side are left out. Raises WrongInput, with file and line, for a missing file
    or column, a row whose number of fields differs from the header's, and a row that is not text.
    """
    if source.startswith("builtin:"):
        if source not in BUILTIN:
            raise WrongInput(f"pairs: {source} is unknown; {nearest(source, BUILTIN)}")
        return list(BUILTIN[source]())
    path = Path(source).expanduser()
    if not path.exists():
        raise path_not_found(path, "pairs")
    if suffix(path) not in SPLITTERS:
        raise WrongInput(
            f"pairs: {path} is not in a supported table format; supported: .tsv, .csv, each also with .gz or .zst"
        )
    found = list(dict.fromkeys(pair for pair in table_pairs(path, columns) if all(pair)))
    if not found:
        raise WrongInput(f"pairs: {path} has no row with both {columns[0]!r} and {columns[1]!r} below its header")
    return found


def table_pairs(path: Path, columns: tuple[str, str]) -> Iterator[Pair]:
    """Yield the two columns of each row of a table, without white space at their ends."""
    read = rows(path)
    _, header = next(read, (1, []))
    if isinstance(header, Rejected):
        raise WrongInput(f"{header.name}: {header.reason}")
    for column in columns:
        if column not in header:
            raise WrongInput(f"{path}:1: no column {column!r}; {nearest(column, header, 'columns')}")
    first, second = (header.index(column) for column in columns)
    for line, fields in read:
        if isinstance(fields, Rejected):
            raise WrongInput(f"{fields.name}: {fields.reason}")
        if len(fields) != len(header):
            raise WrongInput(f"{path}:{line}: has {len(fields)} fields, the header has {len(header)}")
        yield fields[first].strip(), fields[second].strip()


def pairs_of_split(pairs: Sequence[Pair], split: str, validation: float, test: float) -> list[Pair]:
    """Return the pairs of a split, which is decided by the hash of the first side.

    So all translations of a sentence, and of its variants (`danlu.text.normal_form`), are in one split. The pairs are
    ordered by hash, so that adjacent pairs are unrelated. Raises WrongInput if fewer than three different first sides
    are given.
    """
    represented_by = representatives(first for first, _ in pairs)
    places = [fraction(represented_by[first]) for first, _ in pairs]
    cuts = cuts_by_share(validation, test)
    if {cuts.split(place) for place in places} < set(SPLITS):
        if len(set(places)) < len(SPLITS):
            raise WrongInput(f"pairs: {len(set(places))} different first sides cannot fill {len(SPLITS)} splits")
        cuts = cuts_by_order(places, validation, test)
    ordered = sorted(zip(places, pairs, strict=True))
    return [pair for place, pair in ordered if cuts.split(place) == split]
