"""What a text is, before there is a recipe for it: files, documents, size, scripts, tables with labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from danlu.config.prompts import prompts_from
from danlu.config.wording import ENGLISH, Wording
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

    def lines(self, wording: Wording = ENGLISH) -> list[str]:
        """Return the findings as lines to print."""
        facts, line = self.corpus.facts, wording.line
        documents, rejected = facts["documents"], Counter(facts["documents"]["rejected"])
        kinds = line("comma").join(line("kind", n=n, kind=kind) for kind, n in self.files.items())
        layout = line("or").join(wording.layout(word) for word in str(facts["layout"]).split(" and "))
        found = [
            line("text", source=self.source, files=counted(sum(self.files.values()), "file", wording), kinds=kinds)
            if self.files
            else line("builtin", source=self.source),
            line("corpus", count=documents["kept"], size=wording.size(size(self.bytes)), layout=layout),
            line("scripts", shares=shares(self.scripts, wording)),
        ]
        encodings: Counter[str] = Counter()
        for each in facts["files"]:
            encodings.update(each.get("encodings", {}))
        if set(encodings) - {"utf-8"}:
            named = [f"{counted(n, 'file', wording)} {name.upper()}" for name, n in encodings.most_common()]
            found.insert(1, line("encodings", encodings=line("comma").join(named)))
        if rejected:
            first = rejected.most_common(4)
            reasons = [line("rejected_reason", n=n, reason=wording.reason(reason)) for reason, n in first]
            left_out = counted(rejected.total(), "document", wording)
            found.append(line("rejected", documents=left_out, reasons=line("comma").join(reasons)))
            examples = [facts["rejected_examples"][reason] for reason, _ in first[:2]]
            found += [f"           {wording.reason(example)}" for example in examples]
        for table in self.tables[:3]:
            found.append(line("labels", path=table.path, column=table.column))
        return found


def counted(n: int, noun: str, wording: Wording = ENGLISH) -> str:
    """Return a number of files, documents or layers."""
    return wording.line(noun if n == 1 else f"{noun}s", n=n)


def size(count: float) -> str:
    """Bytes for people."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f} bytes"


def shares(scripts: dict[str, float], wording: Wording = ENGLISH) -> str:
    named = [f"{wording.script(script)} {share:.1%}" for script, share in scripts.items()]
    return wording.line("comma").join(named) or wording.line("no_letters")


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
