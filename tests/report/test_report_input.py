"""Runs with missing parts are reported; damaged ones are refused in one line."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from synthetic_run_folder import results, write_run

from danlu.errors import WrongInput
from danlu.report import write_report

PARTS = [
    "corpus",
    "tokenizer",
    "pretrain",
    "tasks",
    "exports",
    "environment",
    "use",
    "recipe_text",
    "command",
    "started",
]


def refusal(run: Path, language: str = "en") -> str:
    with pytest.raises(WrongInput) as caught:
        write_report(run, language)
    line = str(caught.value)
    assert "\n" not in line
    return line


def paths_into(value: Any, here: tuple = ()) -> list[tuple]:
    """The paths of all keys of a nested value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, inner in items for path in [(*here, key), *paths_into(inner, (*here, key))]]


@pytest.mark.parametrize("missing", PARTS)
@pytest.mark.parametrize("how", ["absent", "null"])
def test_any_part_may_be_missing(tmp_path: Path, missing: str, how: str) -> None:
    run = write_run(tmp_path / "demo", {missing: None})
    if how == "absent":
        found = json.loads((run / "results.json").read_text("utf-8"))
        del found[missing]
        (run / "results.json").write_text(json.dumps(found), "utf-8")
    assert write_report(run).is_file()


def test_a_run_with_only_a_schema_is_reported(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"schema": 1}')
    page = write_report(tmp_path).read_text("utf-8")
    assert "This run recorded no results" in page
    assert "metrics.jsonl was not found" in page


@pytest.mark.slow
def test_a_null_anywhere_counts_as_missing_or_is_refused_in_one_line(tmp_path: Path) -> None:
    """No null in the file may end in a traceback."""
    whole = results()
    run = write_run(tmp_path / "demo")
    (run / "metrics.jsonl").unlink()
    refused = {}
    for path in paths_into(whole):
        if path[0] in ("schema", "environment") or path[-1] in range(2, 100) or path[-3:-1] == ("example", 0):
            continue
        changed = copy.deepcopy(whole)
        spot = changed
        for step in path[:-1]:
            spot = spot[step]
        spot[path[-1]] = None
        (run / "results.json").write_text(json.dumps(changed), "utf-8")
        try:
            write_report(run)
        except WrongInput as error:
            refused[".".join(map(str, path))] = str(error)
    assert not any("\n" in line for line in refused.values())
    assert "pretrain.0.name" in refused
    assert "pretrain.0.bits_per_byte_interval" not in refused
    assert "tasks.0.scores.tfidf" not in refused


def test_figures_that_are_not_finite_are_shown(tmp_path: Path) -> None:
    """A diverged loss is shown as it is."""
    changed = results()
    changed["pretrain"][0] |= {"bits_per_byte": float("nan"), "loss": float("inf")}
    changed["tasks"][0]["scores"]["ours"]["mean"] = float("nan")
    run = write_run(tmp_path / "demo", changed)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "pretrain/decoder", "step": 301, "tokens": 1300000, "kind": "train", "loss": NaN}\n')
    page = write_report(run).read_text("utf-8")
    assert "NaN" in page
    assert "∞" in page


def test_lone_surrogates_and_dollar_signs_are_shown(tmp_path: Path) -> None:
    changed = results()
    changed["pretrain"][0]["name"] = "a$b$ \ud83d {x} 丹"
    (tmp_path / "results.json").write_text(json.dumps(changed))
    assert "a$b$ \N{REPLACEMENT CHARACTER} {x} 丹" in write_report(tmp_path).read_text("utf-8")


def test_worse_results_are_reported_as_worse(tmp_path: Path) -> None:
    changed = results()
    changed["pretrain"][0] |= {"bits_per_byte": 2.0, "bits_per_byte_interval": [1.99, 2.01]}
    changed["tasks"][0]["differences"] = {
        "random_weights": {"mean": -0.1, "low": -0.2, "high": -0.05},
        "tfidf": {"mean": -0.1, "low": -0.2, "high": -0.05},
    }
    page = write_report(write_run(tmp_path / "demo", changed)).read_text("utf-8")
    assert "above the 5-gram (1.861) and primed zstd (1.935)" in page
    assert "pre-training hurt" in page
    assert "worse than TF-IDF" in page


def test_paired_differences_decide_over_intervals(tmp_path: Path) -> None:
    changed = results()
    changed["pretrain"][0]["differences"] = {
        "ngram5": {"mean": -0.024, "low": -0.031, "high": -0.017},
        "zstd_primed": {"mean": -0.1, "low": -0.3, "high": 0.1},
    }
    page = write_report(write_run(tmp_path / "demo", changed)).read_text("utf-8")
    assert "below the 5-gram (1.861) and not clearly different from primed zstd (1.935)" in page


def test_an_incomplete_last_line_is_ignored_with_a_note(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo")
    lines = (run / "metrics.jsonl").read_text("utf-8").count("\n")
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "pretrain/deco')
    assert f"Line {lines + 1} of metrics.jsonl is incomplete" in write_report(run).read_text("utf-8")


@pytest.mark.parametrize(
    "line", ['{"stage": "pretr', "[1, 2]", '{"stage": "a"}', '{"stage": 3, "kind": "x", "step": 1}', "\xff"]
)
def test_a_damaged_line_is_reported_with_its_number(tmp_path: Path, line: str) -> None:
    run = write_run(tmp_path / "demo")
    before = (run / "metrics.jsonl").read_bytes()
    lines = before.count(b"\n")
    (run / "metrics.jsonl").write_bytes(before + line.encode("latin-1") + b"\n" + before)
    assert f"metrics.jsonl, line {lines + 1}" in refusal(run)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[]", "one JSON object"),
        ("{}", "schema None"),
        ('{"schema": 2}', "schema 2"),
        ('{"schema": 1, "pretrain": [{"name": 3}]}', "pretrain.0"),
        ('{"schema": 1, "started": "yesterday"}', "started"),
    ],
)
def test_damaged_results_are_refused_with_a_message(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "results.json").write_text(text)
    line = refusal(tmp_path)
    assert "results.json" in line
    assert message in line


def test_missing_results_and_an_unknown_language_are_refused(tmp_path: Path) -> None:
    assert "results.json is missing; a report requires a run" in refusal(tmp_path)
    assert "known: en, zh" in refusal(write_run(tmp_path / "demo"), "french")


def test_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'danlu[report]'" in refusal(write_run(tmp_path / "demo"))
