"""Rendering of the report page."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from markupsafe import Markup

from danlu.durable import write_text
from danlu.errors import WrongInput, nearest
from danlu.report import sections
from danlu.report.outcome import outcome
from danlu.report.phrases import LANGUAGES
from danlu.report.template_environment import TEMPLATE, environment
from danlu.report.training_log import read_metrics
from danlu.results import read_results

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
    page = (
        environment()
        .get_template("page.html.j2")
        .render(
            language=language,
            title=results.recipe or run.resolve().name,
            run_name=run.resolve().name,
            results=results,
            metrics=metrics,
            files=["results.json"] + (["metrics.jsonl"] if metrics.present else []),
            outcome=outcome(results),
            bits=sections.bits(results),
            panels=sections.panels(results, metrics),
            terms=sections.terms(results),
            tasks=sections.tasks(results),
            objective_metrics=sections.objective_metrics(results),
            samples=sections.samples(results, metrics),
            examples=sections.examples(results),
            tokenized=sections.tokenized_examples(results),
            exports=sections.exports(results),
            script=Markup(script),
            script_hash=hash_of(script),
        )
    )
    path = run / "report.html"
    write_text(path, printable(page))
    return path


def page_script() -> str:
    return (TEMPLATE / "page.js").read_text("utf-8")


def hash_of(script: str) -> str:
    """Return the hash with which the Content-Security-Policy of the page allows only this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def printable(page: str) -> str:
    """Replace control characters and lone surrogates, which JSON allows and UTF-8 does not."""
    return page.translate(UNPRINTABLE).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
