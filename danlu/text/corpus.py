"""A corpus: documents read, filtered, deduplicated, split and stored in the cache, with the facts about them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from danlu import durable
from danlu.cache import cached_folder
from danlu.errors import WrongInput, nearest
from danlu.registry import filters
from danlu.settings import Settings
from danlu.text import filters as _registered  # noqa: F401
from danlu.text.account import loss_lines, printable
from danlu.text.cleaning import Cleaner
from danlu.text.compressed import create_text, read_records
from danlu.text.documents import Document, Rejected, reject_surrogate
from danlu.text.duplicates import Representatives
from danlu.text.formats import AUTO
from danlu.text.languages import LIBRARY, language_counter
from danlu.text.readers import open_sources
from danlu.text.source import Source
from danlu.text.split import SPLITS, Cuts, cuts_by_order, cuts_by_share, fraction
from danlu.text.split_overlap import near_duplicates_between_splits

FORMAT = 5
"""Part of the cache key: increase it when the same input yields a different corpus or different facts."""

MIN_DOCUMENTS = 3
MIN_CHARACTERS = 1_000
SPOOL = "documents.jsonl.zst"
DUPLICATE = "duplicate"

log = logging.getLogger(__name__)


class CorpusSettings(Settings):
    """The sources of a corpus, how they are cleaned, and how documents are split."""

    source: str | list[str] = Field(
        description="Paths of files or folders, `builtin:pydocs`, `builtin:sentence_pairs` (English and Chinese) or "
        "`builtin:digit_captions`.",
    )
    documents: Literal["auto", "file", "line", "paragraphs"] = Field(
        "auto",
        description="How prose (.txt, .md, .html, ...) is divided into documents: one per file, one per line, or "
        "paragraphs separated by blank lines; auto detects it.",
    )
    text_field: str | list[str] = Field(
        AUTO,
        description="Field of a .jsonl record, or column of a table, that holds the text. Several are joined by a "
        "newline; auto finds it in each file, by its name or else as the longest text.",
    )
    validation: float = Field(0.04, gt=0, lt=0.5, description="Share of the documents in the validation split.")
    test: float = Field(0.04, gt=0, lt=0.5, description="Share of the documents in the test split.")
    min_characters: int = Field(1, ge=1, description="Documents with fewer characters are rejected.")
    clean: list[filters.choice()] = Field(  # type: ignore[valid-type]
        default_factory=list,
        description="Filters in the order in which they are applied: a name, or {name: ..., option: ...}.",
    )
    language_shares: bool = Field(
        False,
        description="Whether to report the share of each language in the text. Slow; needs the extra `clean`.",
    )

    @field_validator("text_field")
    @classmethod
    def _named(cls, value: str | list[str]) -> str | list[str]:
        if not value or not all(name.strip() for name in value):
            raise ValueError("name a field or column, or auto")
        return value

    @property
    def source_names(self) -> str:
        """The sources, joined by commas."""
        return self.source if isinstance(self.source, str) else ", ".join(self.source)


@dataclass(frozen=True)
class Corpus:
    """A corpus that was built in `folder`: `<split>.jsonl.zst` (fields `text` and `name`) and `corpus.json` (facts)."""

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        return durable.read_json(self.folder / "corpus.json")

    @property
    def fingerprint(self) -> str:
        """16 hex digits that depend only on the texts of each split and their order."""
        return self.facts["fingerprint"]

    def documents(self, split: str) -> Iterator[Document]:
        if split not in SPLITS:
            raise WrongInput(f"no split is called {split!r}; {nearest(split, SPLITS)}")
        return (Document(r["text"], r["name"]) for r in read_records(self.folder / f"{split}.jsonl.zst"))

    def texts(self, split: str) -> Iterator[str]:
        return (document.text for document in self.documents(split))


@dataclass
class Census:
    """Counts of all records by outcome, with the first record rejected for each reason as an example."""

    read: int = 0
    kept: int = 0
    characters: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first: dict[str, Rejected] = field(default_factory=dict)
    splits: Counter[str] = field(default_factory=Counter)

    def keep(self, text: str, split: str) -> None:
        self.kept += 1
        self.characters += len(text)
        self.splits[split] += 1

    def supersede(self, text: str, name: str, split: str) -> None:
        """Count a document that was kept before as a duplicate of a later one."""
        self.kept -= 1
        self.characters -= len(text)
        self.splits[split] -= 1
        self.reject(Rejected(DUPLICATE, name))

    def reject(self, record: Rejected) -> None:
        self.rejected[record.reason] += 1
        self.first.setdefault(record.reason, record)

    def example(self, reason: str) -> str:
        first = self.first[reason]
        return f"{printable(first.name)}: {reason}" + (f" ({first.hint})" if first.hint else "")


def _rejection(document: Document, settings: CorpusSettings, seen: Representatives) -> Rejected | None:
    length = len(document.text.strip())
    if length < settings.min_characters:
        reason = f"shorter than {settings.min_characters} characters" if length else "empty"
        return Rejected(reason, document.name)
    try:
        new = seen.offer(document.text)
    except UnicodeEncodeError as error:
        return reject_surrogate(document.name, error)
    return None if new else Rejected(DUPLICATE, document.name)


def _spool(path: Path, records: Iterable[Document | Rejected], settings: CorpusSettings, default_cuts: Cuts) -> Census:
    """Write the documents that are kept to one file, in reading order, and count all records."""
    census = Census()
    with Representatives() as seen:
        with create_text(path) as file:
            for record in records:
                census.read += 1
                rejection = record if isinstance(record, Rejected) else _rejection(record, settings, seen)
                if rejection is not None:
                    census.reject(rejection)
                elif isinstance(record, Document):
                    census.keep(record.text, default_cuts.split(fraction(record.text)))
                    line = {"text": record.text, "name": printable(record.name)}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if seen.superseded:
            _drop_superseded(path, seen, census, default_cuts)
    if census.read != census.kept + sum(census.rejected.values()) or census.kept != seen.forms:
        raise RuntimeError(f"{census.read} documents in, but {census.kept} kept and {census.rejected} rejected")
    return census


def _drop_superseded(path: Path, seen: Representatives, census: Census, default_cuts: Cuts) -> None:
    """Rewrite the spool without documents whose representative is a variant read later."""
    full = path.replace(path.with_name(f"all-{path.name}"))
    with create_text(path) as file:
        for record in read_records(full):
            if seen.represents(record["text"]):
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
            else:
                census.supersede(record["text"], record["name"], default_cuts.split(fraction(record["text"])))
    full.unlink()


def _require_enough_text(census: Census, settings: CorpusSettings, layout: str, divisible: bool) -> None:
    """Raise WrongInput if no documents are left, or too few to train and evaluate on.

    divisible: whether another layout would divide the text into more documents.
    """
    where = settings.source_names
    if not census.read:
        raise WrongInput(f"source: {where} contains no text")
    if not census.kept:
        reason = census.rejected.most_common(1)[0][0]
        more = (
            f"; all {census.read:,} documents were rejected"
            if census.read > 1
            else "; the source contains nothing else"
        )
        raise WrongInput(f"{census.example(reason)}{more}")
    found = f"{census.kept:,} document{'s' * (census.kept != 1)} of {census.characters:,} characters"
    if census.characters < MIN_CHARACTERS:
        raise WrongInput(
            f"source: {where} is too small: {found}, but at least {MIN_CHARACTERS:,} characters are needed"
        )
    if census.kept < MIN_DOCUMENTS:
        advice = "set documents to line or paragraphs, or add text" if divisible else "add text"
        raise WrongInput(
            f"source: {where} cannot be split into train, validation and test: {found} (layout {layout}), "
            f"but at least {MIN_DOCUMENTS} are needed; {advice}"
        )


def _write_splits(folder: Path, spool: Path, cuts: Cuts) -> tuple[dict[str, dict[str, int]], str]:
    """Write one file per split; return the counts of each split and the fingerprint."""
    counts = {split: {"documents": 0, "bytes": 0, "characters": 0} for split in SPLITS}
    digests = {split: hashlib.sha256() for split in SPLITS}
    with ExitStack() as stack:
        files = {split: stack.enter_context(create_text(folder / f"{split}.jsonl.zst")) for split in SPLITS}
        for record in read_records(spool):
            text = record["text"]
            data = text.encode()
            split = cuts.split(fraction(text))
            counts[split]["documents"] += 1
            counts[split]["bytes"] += len(data)
            counts[split]["characters"] += len(text)
            digests[split].update(len(data).to_bytes(8, "little") + data)
            files[split].write(json.dumps(record, ensure_ascii=False) + "\n")
    return counts, hashlib.sha256(b"".join(digests[s].digest() for s in SPLITS)).hexdigest()[:16]


def _language_shares(texts: Iterable[str]) -> dict[str, float]:
    """Return {ISO code: share of the letters}, the largest first."""
    count, letters = language_counter(), Counter[str]()
    for text in texts:
        letters.update(count(text))
    return {code: n / letters.total() for code, n in letters.most_common()}


def _fill(folder: Path, settings: CorpusSettings, sources: list[Source], cleaner: Cleaner) -> None:
    layout = " and ".join(source.layout() for source in sources)
    spool, cuts = folder / SPOOL, cuts_by_share(settings.validation, settings.test)
    census = _spool(spool, (cleaner(r) for source in sources for r in source.documents()), settings, cuts)
    divisible = any(source.has_plain_text() for source in sources) and layout != "line"
    _require_enough_text(census, settings, layout, divisible)
    if any(not census.splits[split] for split in SPLITS):
        cuts = cuts_by_order((fraction(r["text"]) for r in read_records(spool)), settings.validation, settings.test)
    counts, fingerprint = _write_splits(folder, spool, cuts)
    near = near_duplicates_between_splits(Corpus(folder).documents, counts)
    for split, found in near["found"].items():
        if found["documents"]:
            compared = near["compared"][split]["documents"]
            log.info("%d of %d %s documents have a near-duplicate in train", found["documents"], compared, split)
    shares = _language_shares(r["text"] for r in read_records(spool)) if settings.language_shares else None
    spool.unlink()
    for reason, n in census.rejected.items():
        level = logging.INFO if reason == DUPLICATE else logging.WARNING
        log.log(level, "rejected %d of %d documents, such as %s", n, census.read, census.example(reason))
    facts = {
        "source": settings.source_names,
        "layout": layout,
        "files": [source.facts() for source in sources],
        "account": next((account for source in sources if (account := source.account())), None),
        "documents": {"in": census.read, "kept": census.kept, "rejected": dict(census.rejected)},
        "rejected_examples": {reason: census.example(reason) for reason in census.rejected},
        "clean": cleaner.facts(),
        "splits": counts,
        "near_duplicates": near,
        "fingerprint": fingerprint,
    }
    if shares is not None:
        facts["languages"] = shares
    durable.write_json(folder / "corpus.json", facts)


def find_sources(settings: CorpusSettings) -> list[Source]:
    """Return the sources that `settings` name, none of them read yet. Raises WrongInput if one does not exist."""
    return open_sources(settings.source, settings.documents, settings.text_field)


def build_corpus(settings: CorpusSettings, warn: bool = True) -> Corpus:
    """Build the corpus that `settings` describe, or take it from the cache if input and settings are unchanged.

    warn: whether to warn if a large part of the text is not read.
    """
    if settings.language_shares:
        language_counter()  # raises WrongInput now if the extra is missing
    sources = find_sources(settings)
    cleaner = Cleaner(settings.clean)
    libraries = [*cleaner.identity(), *([{LIBRARY: version(LIBRARY)}] if settings.language_shares else [])]
    key = {
        "format": FORMAT,
        "settings": settings.model_dump(mode="json"),
        "libraries": libraries,
        "sources": [source.identity() for source in sources],
    }
    corpus = Corpus(cached_folder("corpus", key, lambda folder: _fill(folder, settings, sources, cleaner)))
    for line in loss_lines(corpus.facts["account"]) if warn else ():
        log.warning("WARNING: %s", line)
    return corpus
