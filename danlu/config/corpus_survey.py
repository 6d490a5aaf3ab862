"""Survey a text before a recipe is drafted for it: files, documents, size, scripts, tables with labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from danlu.config.prompts import choose_prompts
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
"""Maximum size of the validation and test set, otherwise 4 % each. Larger ones only take longer to evaluate."""

LABEL_COLUMNS = {"label", "labels", "class", "category", "target", "sentiment", "标签", "类别", "分类"}
"""Column names that suggest the labels of a task."""

TABLE_DELIMITERS = {".csv": ",", ".tsv": "\t"}
MAX_TABLES = 100  # inspected for labels


@dataclass(frozen=True)
class LabelledTable:
    """A table in the text with a column that may hold labels."""

    path: Path
    column: str


@dataclass(frozen=True)
class CorpusSurvey:
    """The results of a survey."""

    source: str
    settings: CorpusSettings
    corpus: Corpus
    files: dict[str, int]  # number of files, by suffix
    scripts: dict[str, float]  # share of letters in a sample, by script
    prompts: list[str]  # first words of held-out documents
    tables: list[LabelledTable]

    @property
    def bytes(self) -> int:
        """Size of all splits."""
        return sum(split["bytes"] for split in self.corpus.facts["splits"].values())

    @property
    def chinese(self) -> bool:
        """Whether most letters are Han characters."""
        return self.scripts.get("Han", 0.0) > 0.5

    def facts(self) -> dict[str, Any]:
        """Return the survey as JSON."""
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
        """Return the survey as lines to print."""
        facts, line = self.corpus.facts, wording.line
        documents, rejected = facts["documents"], Counter(facts["documents"]["rejected"])
        kinds = line("comma").join(line("kind", n=n, kind=kind) for kind, n in self.files.items())
        layout = line("or").join(wording.layout(word) for word in str(facts["layout"]).split(" and "))
        lines = [
            line("text", source=self.source, files=pluralise(sum(self.files.values()), "file", wording), kinds=kinds)
            if self.files
            else line("builtin", source=self.source),
            line("corpus", count=documents["kept"], size=wording.size(format_bytes(self.bytes)), layout=layout),
            line("scripts", shares=format_shares(self.scripts, wording)),
        ]
        encodings: Counter[str] = Counter()
        for file in facts["files"]:
            encodings.update(file.get("encodings", {}))
        if set(encodings) - {"utf-8"}:
            named = [f"{pluralise(n, 'file', wording)} {name.upper()}" for name, n in encodings.most_common()]
            lines.insert(1, line("encodings", encodings=line("comma").join(named)))
        if rejected:
            first = rejected.most_common(4)
            reasons = [line("rejected_reason", n=n, reason=wording.reason(reason)) for reason, n in first]
            documents_rejected = pluralise(rejected.total(), "document", wording)
            lines.append(line("rejected", documents=documents_rejected, reasons=line("comma").join(reasons)))
            examples = [facts["rejected_examples"][reason] for reason, _ in first[:2]]
            lines += [f"           {wording.reason(example)}" for example in examples]
        for table in self.tables[:3]:
            lines.append(line("labels", path=table.path, column=table.column))
        return lines


def pluralise(n: int, noun: str, wording: Wording = ENGLISH) -> str:
    """Return a number of files, documents or layers."""
    return wording.line(noun if n == 1 else f"{noun}s", n=n)


def format_bytes(count: float) -> str:
    """Format a size, such as `1.5 MB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f} bytes"


def format_shares(scripts: dict[str, float], wording: Wording = ENGLISH) -> str:
    """Format the share of each script in percent."""
    named = [f"{wording.script(script)} {share:.1%}" for script, share in scripts.items()]
    return wording.line("comma").join(named) or wording.line("no_letters")


def file_kind(path: Path) -> str:
    """Return the suffixes of a file in lower case, such as `.csv.gz` for `a.CSV.gz`."""
    ending = path.suffix.lower()
    return suffix(path) + (ending if ending != suffix(path) else "")


def source_files(source: str) -> list[Path]:
    """Return the files of a source; a built-in text has none."""
    return [] if source.startswith("builtin:") else find_files(source)


def held_out_share(paths: Iterable[Path]) -> float:
    """Return the fraction to hold out for each of validation and test, from the size of the files.

    Raises:
        WrongInput: if a file cannot be read.
    """
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size * (1 if file_kind(path) == suffix(path) else 3)
        except OSError as error:
            raise WrongInput(f"{path}: cannot be read ({error.strerror})") from None
    return min(0.04, float(f"{HELD_OUT_BYTES / max(1, total):.1g}"))


def labelled_tables(source: str) -> list[LabelledTable]:
    """Find the tables at or below `source` that have a column with one of the names `LABEL_COLUMNS`."""
    root = Path(source).expanduser()
    paths = [root] if root.is_file() else files_below(root) if root.is_dir() else []  # a built-in text has none
    tables = []
    for path in islice(sorted(p for p in paths if suffix(p) in TABLE_DELIMITERS), MAX_TABLES):
        header = next(raw_lines(path), None)
        names = (header.data or b"").decode("utf-8", "replace").split(TABLE_DELIMITERS[suffix(path)]) if header else []
        columns = [name.strip().strip('"') for name in names]
        tables += [LabelledTable(path, column) for column in columns if column.casefold() in LABEL_COLUMNS][:1]
    return tables


def survey_corpus(source: str) -> CorpusSurvey:
    """Survey the text at `source`: a file, a folder or `builtin:...`.

    The corpus is built with the settings of the drafted recipe, so that the run finds it in the cache.

    Raises:
        WrongInput: if there is no text to train on.
    """
    paths = source_files(source)
    held_out = held_out_share(paths)
    settings = CorpusSettings.model_validate({"source": source, "validation": held_out, "test": held_out})
    corpus = build_corpus(settings)
    scripts = script_shares(sample_texts(corpus.texts("train"), SAMPLE_BYTES))
    prompts = choose_prompts(sample_texts(corpus.texts("validation"), SAMPLE_BYTES), scripts)
    kinds = dict(Counter(file_kind(p) for p in paths).most_common())
    return CorpusSurvey(source, settings, corpus, kinds, scripts, prompts, labelled_tables(source))
