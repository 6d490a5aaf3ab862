"""What a text is, before there is a recipe for it: files, documents, size, scripts, tables with labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from danlu.config.prompts import prompts_from
from danlu.errors import WrongInput
from danlu.text.compressed import suffix
from danlu.text.corpus import Corpus, CorpusSettings, build_corpus
from danlu.text.lines import raw_lines
from danlu.text.readers import files_below, find_files
from danlu.text.scripts import script_shares
from danlu.tokens.sampling import sample_texts

SAMPLE_BYTES = 4_000_000
HELD_OUT_BYTES = 1_000_000
"""Validation and test are 4 % each until that is this much text: more costs time and says little more."""

LABELS = {"label", "labels", "class", "category", "target", "sentiment", "标签", "类别", "分类"}
"""Column names of tables that look like the answer of a task."""

TABLES = {".csv": ",", ".tsv": "\t"}
TABLES_LOOKED_AT = 100

LAYOUTS = {"paragraphs": "paragraph (blank lines between them)", "jsonl": "line of .jsonl", "row": "row of a table"}
"""What the corpus calls a layout -> what a document is, where that is not the same word."""


@dataclass(frozen=True)
class LabelledTable:
    """A table in the text with a column that looks like a label."""

    path: Path
    column: str


@dataclass(frozen=True)
class Findings:
    """scripts: {name: share of letters} of a sample; prompts: how held-out documents begin."""

    source: str
    settings: CorpusSettings
    corpus: Corpus
    files: dict[str, int]
    scripts: dict[str, float]
    prompts: list[str]
    tables: list[LabelledTable]

    @property
    def bytes(self) -> int:
        return sum(split["bytes"] for split in self.corpus.facts["splits"].values())

    @property
    def chinese(self) -> bool:
        """Whether Han characters dominate: of the letters, most."""
        return self.scripts.get("Han", 0.0) > 0.5

    def facts(self) -> dict[str, Any]:
        """Return the findings for JSON."""
        return {
            "source": self.source,
            "files": self.files,
            "bytes": self.bytes,
            "scripts": self.scripts,
            "prompts": self.prompts,
            "labelled_tables": [{"file": str(t.path), "column": t.column} for t in self.tables],
            "corpus": self.corpus.facts,
        }

    def lines(self) -> list[str]:
        """Return the findings as lines to print."""
        facts = self.corpus.facts
        documents, rejected = facts["documents"], Counter(facts["documents"]["rejected"])
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in self.files.items())
        layout = " or ".join(LAYOUTS.get(word, word) for word in str(facts["layout"]).split(" and "))
        found = [
            f"text       {self.source}: {counted(sum(self.files.values()), 'file')} ({kinds})"
            if self.files
            else f"text       {self.source}",
            f"documents  {documents['kept']:,}, {size(self.bytes)} of text; one for each {layout}",
            f"scripts    {shares(self.scripts)} of the letters",
        ]
        encodings: Counter[str] = Counter()
        for each in facts["files"]:
            encodings.update(each.get("encodings", {}))
        if set(encodings) - {"utf-8"}:
            named = ", ".join(f"{counted(n, 'file')} {name.upper()}" for name, n in encodings.most_common())
            found.insert(1, f"encodings  {named}")
        if rejected:
            each = ", ".join(f"{n:,} {reason}" for reason, n in rejected.most_common(4))
            found.append(f"left out   {counted(rejected.total(), 'document')}: {each}")
            found += [f"           {facts['rejected_examples'][reason]}" for reason, _ in rejected.most_common(2)]
        for table in self.tables[:3]:
            found.append(
                f"labels     {table.path} has a column {table.column!r}: the recipe says how to fine-tune for it"
            )
        return found


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def size(count: float) -> str:
    """Bytes for people."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f} bytes"


def shares(scripts: dict[str, float]) -> str:
    return ", ".join(f"{script} {share:.1%}" for script, share in scripts.items()) or "no letters"


def kind_of(path: Path) -> str:
    """`.csv.gz` of `a.CSV.gz`."""
    ending = path.suffix.lower()
    return suffix(path) + (ending if ending != suffix(path) else "")


def files_of(source: str) -> list[Path]:
    return [] if source.startswith("builtin:") else find_files(source)


def held_out_share(paths: Iterable[Path]) -> float:
    """4 %, less for a large corpus; by the size of the files, so that it is known before they are read."""
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size * (1 if kind_of(path) == suffix(path) else 3)
        except OSError as error:
            raise WrongInput(f"{path}: cannot be read ({error.strerror})") from None
    return min(0.04, float(f"{HELD_OUT_BYTES / max(1, total):.1g}"))


def labelled_tables(source: str) -> list[LabelledTable]:
    """Tables at or below `source` with a column whose name says that it is a label."""
    top = Path(source).expanduser()
    below = [top] if top.is_file() else files_below(top) if top.is_dir() else []  # a built-in text has none
    found = []
    for path in islice(sorted(p for p in below if suffix(p) in TABLES), TABLES_LOOKED_AT):
        header = next(raw_lines(path), None)
        names = (header.data or b"").decode("utf-8", "replace").split(TABLES[suffix(path)]) if header else []
        columns = [name.strip().strip('"') for name in names]
        found += [LabelledTable(path, column) for column in columns if column.casefold() in LABELS][:1]
    return found


def look(source: str) -> Findings:
    """Read the text at `source` (a file, a folder or `builtin:...`) and say what it is.

    The corpus it builds is the one the drafted recipe asks for, so it is read once. WrongInput when there is no text
    to train on.
    """
    paths = files_of(source)
    held = held_out_share(paths)
    settings = CorpusSettings.model_validate({"source": source, "validation": held, "test": held})
    corpus = build_corpus(settings)
    scripts = script_shares(sample_texts(corpus.texts("train"), SAMPLE_BYTES))
    prompts = prompts_from(sample_texts(corpus.texts("validation"), SAMPLE_BYTES), scripts)
    kinds = dict(Counter(kind_of(p) for p in paths).most_common())
    return Findings(source, settings, corpus, kinds, scripts, prompts, labelled_tables(source))
