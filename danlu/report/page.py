"""Rendering of the report page."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from markupsafe import Markup

from danlu.durable import write_text
from danlu.errors import WrongInput, nearest
from danlu.report import sections
from danlu.report.outcome import outcome
from danlu.report.panels import pretraining_panels
from danlu.report.phrases import LANGUAGES
from danlu.report.task_section import tasks
from danlu.report.template_environment import TEMPLATE, environment
from danlu.report.training_log import Metrics, read_metrics
from danlu.results import Results, read_results

# Control characters, which HTML does not allow, are shown as bytes.
UNPRINTABLE = {code: f"⟨{code:02X}⟩" for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n"}


def write_report(run: Path, language: str = "en") -> Path:
    """Write `run/report.html` from `run/results.json` and `run/metrics.jsonl`, with both languages in one file.

    Raises:
        WrongInput: for an unknown language or damaged input files.
    """
    if language not in LANGUAGES:
        raise WrongInput(f"no report in language {language!r}; {nearest(language, LANGUAGES)}")
    results = read_results(run / "results.json")
    metrics = read_metrics(run / "metrics.jsonl")
    script = page_script()
    content = content_of(results, metrics)
    page = (
        environment()
        .get_template("page.html.j2")
        .render(
            language=language,
            title=page_name(results, run),
            only_tasks=not results.pretrain and bool(results.tasks),
            results=results,
            metrics=metrics,
            files=["results.json"] + (["metrics.jsonl"] if metrics.present else []),
            outcome=outcome(results),
            chapters=chapters(results, content),
            script=Markup(script),
            script_hash=hash_of(script),
            **content,
        )
    )
    path = run / "report.html"
    write_text(path, printable(page))
    return path


def page_name(results: Results, run: Path) -> str:
    """Return the name of the recipe, without folder and suffix; without pre-training, that of the run directory."""
    if results.recipe is None or not results.pretrain:
        return run.resolve().name
    return Path(results.recipe).name.removesuffix(".yaml").removesuffix(".yml") or run.resolve().name


def content_of(results: Results, metrics: Metrics) -> dict[str, list[Any]]:
    """Return the content of the sections, by its name in the templates."""
    return {
        "bits": sections.bits(results),
        "panels": pretraining_panels(results, metrics),
        "terms": sections.terms(results),
        "tasks": tasks(results, metrics),
        "objective_metrics": sections.objective_metrics(results),
        "samples": sections.samples(results, metrics),
        "examples": sections.examples(results),
        "tokenized": sections.tokenized_examples(results),
        "exports": sections.exports(results),
    }


def chapters(results: Results, content: dict[str, list[Any]]) -> list[str]:
    """Return the sections that have content, in their order: names of templates and ids on the page."""
    found = {
        "bits": results.pretrain,  # a model without bits per byte gets the reason
        "curves": results.pretrain,
        "task": content["tasks"],
        "evaluation": content["objective_metrics"],
        "samples": content["samples"],
        "example": content["examples"],
        "data": results.corpus or results.tokenizer or results.text_read is False,
        "exports": content["exports"],
        "reproduce": results.environment or results.recipe_text or results.command or results.use,
    }
    return [name for name, present in found.items() if present]


def page_script() -> str:
    return (TEMPLATE / "page.js").read_text("utf-8")


def hash_of(script: str) -> str:
    """Return the hash with which the Content-Security-Policy of the page allows only this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def printable(page: str) -> str:
    """Replace control characters and lone surrogates, which JSON allows and UTF-8 does not."""
    return page.translate(UNPRINTABLE).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
