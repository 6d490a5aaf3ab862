"""`danlu show`: its figures equal those of the run, and its examples show the masks."""

from __future__ import annotations

import json

import pytest
from tiny_recipe import write_tiny_recipe

from danlu.commands.show import two_rows

ENCODER = "models.small.objective={name: masked, rate: 0.5, replace: 1, random: 0}"


@pytest.fixture
def tiny(tmp_path):
    return write_tiny_recipe(tmp_path)


def shown(danlu_command, *arguments):
    code, out, err = danlu_command("show", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_shown_figures_equal_those_of_the_run(danlu_command, tiny, tmp_path):
    facts = shown(danlu_command, tiny)
    assert not (tmp_path / "runs").exists()
    code, _, _ = danlu_command("run", tiny, "--out", "run")
    assert code == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text("utf-8"))
    small, done = facts["models"]["small"], results["pretrain"][0]
    assert small["parameters"]["total"] == done["parameters"]
    assert sum(part["parameters"] for part in small["parameters"]["parts"]) == done["parameters"]
    assert small["time"] is None
    assert facts["corpus"]["splits"] == results["corpus"]["splits"]
    assert facts["tokenizer"]["size"] == results["tokenizer"]["size"]
    assert facts["recipe"]["corpus"]["source"] == str(tmp_path / "text.txt")


def test_time_is_measured_when_asked_for(danlu_command, tiny):
    time = shown(danlu_command, tiny, "--time")["models"]["small"]["time"]
    assert time["steps"] == 6
    assert time["seconds"] > 0


def test_causal_examples_have_the_next_token_as_target(danlu_command, tiny):
    (example,) = shown(danlu_command, tiny)["models"]["small"]["examples"]
    assert example["tokens"][1:] == example["targets"][:-1]


def test_masked_examples_hide_their_targets(danlu_command, tiny):
    (example,) = shown(danlu_command, tiny, ENCODER)["models"]["small"]["examples"]
    pairs = list(zip(example["tokens"], example["targets"], strict=True))
    assert any(target is not None for _, target in pairs)
    assert all((token == "<mask>") == (target is not None) for token, target in pairs)


def test_readable_output(danlu_command, tiny):
    code, out, _ = danlu_command("show", tiny, ENCODER)
    assert code == 0
    assert "source: " in out
    assert "small: masked on transformer" in out
    assert "backbone.blocks.*.attention" in out
    sees = [line for line in out.splitlines() if line.startswith("  sees ")]
    predicts = [line for line in out.splitlines() if line.startswith("  predicts ")]
    assert len(sees) == len(predicts) >= 1
    assert "<mask>" in sees[0]


def test_two_rows_are_aligned_and_wrapped():
    lines = two_rows(["丹炉", "<mask>", "\n", "a"], [None, "火", "a", None], columns=14)
    assert lines == [
        "  sees      丹炉|<mask>|⏎",
        "  predicts  ·   |火    |a",
        "",
        "  sees      a",
        "  predicts  ·",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show"], "Missing argument 'RECIPE'."),
        (["show", "smok"], "did you mean 'smoke'?"),
        (["show", "smoke", "machine.thread=1"], "unknown key 'thread'"),
        (["show", "smoke", "corpus.source=nowhere.txt"], "nowhere.txt"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(danlu_command, arguments, expected):
    code, out, err = danlu_command(*arguments)
    assert (code, out, len(err)) == (2, "", 1)
    assert expected in err[0]
