"""Survey a text before a recipe is drafted for it: files, documents, size, scripts, tables with labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from danlu.config.prompts import choose_prompts
from danlu.config.recipe_errors import format_errors
from danlu.config.wording import ENGLISH, Wording
from danlu.errors import WrongInput
from danlu.text.account import explain, format_bytes, loss_lines, where
from danlu.text.compressed import suffix
from danlu.text.corpus import Corpus, CorpusSettings, build_corpus
from danlu.text.formats import AUTO, FORMATS
from danlu.text.readers import find_files
from danlu.text.scripts import script_shares
from danlu.text.text_fields import choose_fields
from danlu.tokens.sampling import sample_texts

SAMPLE_BYTES = 4_000_000
HELD_OUT_BYTES = 1_000_000
"""Maximum size of the validation and test set, otherwise 4 % each. Larger ones only take longer to evaluate."""


TABLES = (".csv", ".tsv")
MAX_TABLES = 100  # inspected for labels

MAX_FIELDS = 5
MAX_NOT_READ = 6
"""Lines about fields and about files that were not read."""


@dataclass(frozen=True)
class LabelledTable:
    """A file in the text with a column that may hold labels."""

    path: Path
    column: str
    text: str
    """The column of the text."""


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
            "labelled_tables": [{"file": str(t.path), "column": t.column, "text": t.text} for t in self.tables],
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
        lines += self._field_lines(wording)
        for table in self.tables[:3]:
            lines.append(line("labels", path=table.path, column=table.column))
        return [*lines, *self._account_lines(wording)]

    def _field_lines(self, wording: Wording) -> list[str]:
        """Name the field of the text where it was searched for, further fields of text, and remarks."""
        account, line = self.corpus.facts["account"] or {"fields": [], "notes": []}, wording.line
        lines = []
        if self.settings.text_field == AUTO:
            for found in [f for f in account["fields"] if f["field"]][:MAX_FIELDS]:
                lines.append(line("field", path=found["file"], field=found["field"]))
                if found["others"]:
                    fields = ", ".join([found["field"], *found["others"]])
                    others = line("comma").join(found["others"])
                    lines.append(line("more_fields", others=others, fields=fields))
        return [*lines, *(line("note", note=wording.reason(note)) for note in account["notes"][:MAX_FIELDS])]

    def _account_lines(self, wording: Wording) -> list[str]:
        """Name the files that were not read, with the reasons; a large loss is a warning."""
        account, line = self.corpus.facts["account"], wording.line
        if not account or not account["not_read"]:
            return []
        read, size = account["read"], lambda count: wording.size(format_bytes(count))
        lines = [
            line("read", read=read["files"], files=account["files"], size=size(read["bytes"]),
                 all=size(account["bytes"]))
        ]  # fmt: skip
        entries = account["not_read"]
        for entry in entries[:MAX_NOT_READ]:
            place, reason = wording.reason(where(entry)), wording.reason(explain(entry))
            lines.append(line("not_read", size=size(entry["bytes"]), where=place, reason=reason))
        if len(entries) > MAX_NOT_READ:
            rest = sum(entry["bytes"] for entry in entries[MAX_NOT_READ:])
            lines.append(line("not_read_rest", n=len(entries) - MAX_NOT_READ, size=size(rest)))
        return [*lines, *(line("lost", loss=wording.reason(loss)) for loss in loss_lines(account))]


def pluralise(n: int, noun: str, wording: Wording = ENGLISH) -> str:
    """Return a number of files, documents or layers."""
    return wording.line(noun if n == 1 else f"{noun}s", n=n)


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
    """Find the tables at or below `source` that have a text and a column of labels, by its name or its few values."""
    tables = []
    for path in islice((p for p in source_files(source) if suffix(p) in TABLES), MAX_TABLES):
        choice = choose_fields(FORMATS[suffix(path)].sample(path) or [])
        if choice.label and choice.text:
            tables.append(LabelledTable(path, choice.label, choice.text[0]))
    return tables


def survey_corpus(source: str, settings: Mapping[str, Any] | None = None) -> CorpusSurvey:
    """Survey the text at `source`: a file, a folder or `builtin:...`.

    The corpus is built with the settings of the drafted recipe, so that the run finds it in the cache.

    Args:
        settings: further settings of the corpus, which the drafted recipe has, too.

    Raises:
        WrongInput: if there is no text to train on.
    """
    paths = source_files(source)
    held_out = held_out_share(paths)
    data = {"source": source, "validation": held_out, "test": held_out} | dict(settings or {})
    try:
        validated = CorpusSettings.model_validate(data)
    except ValidationError as error:
        raise WrongInput(format_errors(error, None, data, "corpus", [])) from None
    corpus = build_corpus(validated, warn=False)
    scripts = script_shares(sample_texts(corpus.texts("train"), SAMPLE_BYTES))
    prompts = choose_prompts(sample_texts(corpus.texts("validation"), SAMPLE_BYTES), scripts)
    kinds = dict(Counter(file_kind(p) for p in paths).most_common())
    return CorpusSurvey(source, validated, corpus, kinds, scripts, prompts, labelled_tables(source))
