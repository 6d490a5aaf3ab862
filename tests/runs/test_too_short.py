"""A run that was too short gives no verdict anywhere, and the budget it recommends is enough."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.commands.compare import print_comparison
from danlu.config.loading import load_recipe
from danlu.console import language
from danlu.durable import read_json
from danlu.report import sections, task_section, verdicts
from danlu.report.outcome import outcome
from danlu.report.phrases import LANGUAGES, in_language, words
from danlu.report.training_log import read_metrics
from danlu.results import Results
from danlu.runs.judge_training import advise_on_finetuning, advise_on_run, join_options, judge_finetuning
from danlu.training import plan as plan_module
from danlu.training.budget import Budget, parse_budget
from danlu.training.plan import Plan
from danlu.training.precision import Machine
from danlu.training.settings import TrainingSettings
from danlu.training.sufficiency import FINETUNING_STEPS, MARGIN, STEPS, readable_budget

TASK = """\
tasks:
  place:
    model: small
    task:
      {{name: classify, rows: {{train: {rows}/train.tsv, test: {rows}/test.tsv}}, labels_per_class: 2, max_tokens: 12}}
    training: {{budget: {steps} steps, batch_tokens: 64, validations: 1}}
    seeds: 2
"""
SAID = {"en": "too short to judge", "zh": "训练不足，无法评判"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The tiny recipe with five steps, and a task with three."""
    folder = tmp_path_factory.mktemp("recipe")
    path = Path(write_tiny_recipe(folder))
    for split in ("train", "test"):
        lines = [f"{split} number {i} of the {kind}\t{kind}" for kind in ("river", "mill") for i in range(6)]
        (folder / f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]), "utf-8")
    text = path.read_text("utf-8").replace("6 steps", "5 steps").replace("validations: 3", "validations: 5")
    path.write_text(text + TASK.format(rows=folder, steps=3), "utf-8")
    return str(path)


@pytest.fixture(scope="module", params=LANGUAGES)
def starved(request, recipe, tmp_path_factory):
    """Language, run directory, results and printed lines of the run."""
    lines, out = [], tmp_path_factory.mktemp("run") / "run"
    with language.using(request.param):
        found = danlu.run(recipe, out=out, say=lines.append)
    return request.param, out, Results.model_validate(found), lines


def verdict_texts(of):
    """The longest fixed part of each text that compares a model with its baselines."""
    keys = ("outcome.pretraining_", "outcome.control_better", "outcome.control_worse", "outcome.control_level")
    endings = ("_controls", "verdict.better", "verdict.worse", "verdict.level")
    found = [text for key, text in words(of).items() if key.startswith(keys) or key.endswith(endings)]
    return [max(re.split(r"\{.*?\}", text), key=len).strip(" ()（）") for text in found]


def test_the_verdict_texts_are_found_where_there_is_a_verdict():
    assert {"below", "above", "pre-training helped", "no clear difference"} <= set(verdict_texts("en"))
    assert {"低于", "高于", "预训练有帮助", "无显著差异"} <= set(verdict_texts("zh"))


def test_the_results_say_why(starved):
    *_, results, _ = starved
    model, task = results.pretrain[0], results.tasks[0]
    assert model.sufficiency is not None
    assert task.sufficiency is not None
    assert (model.sufficiency.sufficient, model.sufficiency.steps) == (False, 5)
    assert model.sufficiency.reasons[0] == "steps"
    assert model.sufficiency.epochs == model.epochs
    assert task.sufficiency.reasons == ["steps", "pretraining"]
    assert model.sufficiency.option == f"models.small.training.budget='{model.sufficiency.needed_steps} steps'"
    expected = f"{model.sufficiency.option} tasks.place.training.budget='{FINETUNING_STEPS} steps'"
    assert task.sufficiency.option == expected


def test_the_console_gives_no_verdict(starved):
    spoken, _, results, lines = starved
    said = [line for line in lines if SAID[spoken] in line]
    assert [line.split()[0] for line in said] == ["small", "place"]
    assert results.pretrain[0].sufficiency.option in said[0]
    assert not [line for line in lines if any(text in line for text in verdict_texts(spoken))]
    figures = next(i for i, line in enumerate(lines) if f"{results.pretrain[0].bits_per_byte:.3f}" in line)
    baseline = f"{results.pretrain[0].baselines['ngram5']:.3f}"
    assert baseline not in lines[figures], "the baselines are in a line of their own"
    assert baseline in lines[figures + 1]


def test_the_report_gives_no_verdict(starved):
    """Neither in its summary nor in the tables, in either language; the numbers stay."""
    _, out, results, _ = starved
    page = (out / "report.html").read_text("utf-8")
    summary = page[page.index('<section id="outcome">') : page.index("</section>")]
    for spoken in LANGUAGES:
        assert summary.count(SAID[spoken]) == 2
        assert not [text for text in verdict_texts(spoken) if text in summary]
    assert f"{results.pretrain[0].bits_per_byte:.3f}" in summary
    assert [sentence.verdict for sentence in outcome(results)] == [None, None]
    controls = [row for group in sections.bits(results) for row in group.controls]
    sides = [in_language(side, "en") for row in controls for side in row.sides]
    assert sides
    assert set(sides) == {SAID["en"]}
    rows = [row for task in task_section.tasks(results, read_metrics(out / "metrics.jsonl")) for row in task.rows]
    assert {row.verdict for row in rows} == {None, verdicts.SHORT}
    assert all(row.difference for row in rows if row.verdict)


def test_results_of_earlier_versions_are_judged_as_before(starved):
    *_, results, _ = starved
    found = results.json_facts()
    for entry in (*found["pretrain"], *found["tasks"]):
        del entry["sufficiency"]
    texts = [in_language(sentence.text, "en") for sentence in outcome(Results.model_validate(found))]
    assert all(any(text in line for text in verdict_texts("en")) for line in texts)


@pytest.mark.slow
def test_the_recommended_budgets_are_enough(starved, recipe, tmp_path):
    """Followed as printed, in steps; nothing here depends on a clock."""
    *_, results, _ = starved
    lines = []
    made = danlu.run(recipe, shlex.split(results.tasks[0].sufficiency.option), out=tmp_path / "run", say=lines.append)
    entries = [made["pretrain"][0], made["tasks"][0]]
    assert [entry["sufficiency"]["sufficient"] for entry in entries] == [True, True]
    assert made["pretrain"][0]["steps"] >= STEPS
    assert made["pretrain"][0]["epochs"] >= 1
    assert not [line for line in lines if SAID["en"] in line]


def test_the_plan_is_printed_before_training(starved):
    spoken, _, results, lines = starved
    words_of_it = {"en": "plan: 5 steps", "zh": "计划：训练 5 步"}[spoken]
    planned = next(i for i, line in enumerate(lines) if words_of_it in line)
    assert str(results.pretrain[0].sufficiency.epoch_steps) in lines[planned]
    assert planned < next(i for i, line in enumerate(lines) if "pretrain/small" in line)
    assert any({"en": "plan: 4 trainings of 3 steps", "zh": "共训练 4 次，每次 3 步"}[spoken] in line for line in lines)


def test_the_floor_of_steps_is_printed_and_recorded_once(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(plan_module, "time_steps", lambda *_: (0.5, 0.0))
    lines, out = [], tmp_path / "run"
    timed = ["models.small.training.budget=2s", "models.small.training.min_steps=7", "tasks={}"]
    made = danlu.run(recipe, timed, out=out, say=lines.append)
    line = "small      the budget buys 4 steps; at least 7 are trained (training.min_steps)"
    assert line in lines
    assert lines[lines.index(line) + 1].startswith("small      plan: 7 steps, ")
    assert made["pretrain"][0]["steps"] == 7
    assert read_json(out / "stages/pretrain/small-plan.json")["raised_from"] == 4
    option = made["pretrain"][0]["sufficiency"]["option"]
    assert re.fullmatch(r"--budget \d+(s|min|h)", option)


@pytest.mark.parametrize("section", ["models.decoder", "models.encoder", "tasks.library_part"])
def test_the_total_budget_gives_the_training_what_it_needs(section):
    """`--budget` is shared by all time budgets of a recipe."""
    recipe = load_recipe("demo")

    def budget(of):
        kind, name = section.split(".")
        return getattr(of, kind)[name].training.budget

    option = advise_on_run(recipe)(section, budget(recipe), Budget(3000.0, "seconds"))
    amount = parse_budget(option.removeprefix("--budget ")).amount
    assert 3000 <= budget(recipe.with_time(amount)).amount < 1.3 * 3000


def test_of_several_total_budgets_the_longest_is_recommended():
    assert join_options(["--budget 12min", "--budget 800s"]) == "--budget 800s"
    assert join_options(["--budget 12min", "a.budget='9 steps'"]) == "--budget 12min a.budget='9 steps'"
    assert join_options([]) is None


def test_a_finetuning_outside_a_run_is_judged_by_its_steps():
    plan = Plan(3, 4, 4, 3, 3, Machine("cpu", "float32", 1), seconds_per_step=2.0)
    settings = TrainingSettings(budget="60s")
    found = judge_finetuning("labels", settings, plan, 8, 10, None, advise_on_finetuning)
    assert (found["reasons"], found["epochs"]) == (["steps"], 1.5)
    needed = MARGIN * (60 + (FINETUNING_STEPS - 3) * 2.0 * 10)
    assert found["option"] == f"--budget {readable_budget(Budget(needed, 'seconds'))}"
    exact = judge_finetuning("labels", TrainingSettings(budget="3 steps"), plan, 8, 10, None, advise_on_finetuning)
    assert exact["option"] == f"--budget '{FINETUNING_STEPS} steps'"


def test_a_comparison_gives_no_verdict(recipe, tmp_path, capsys):
    text = Path(recipe).read_text("utf-8")
    (tmp_path / "both.yaml").write_text(text.replace("objective: causal", "objective: masked"), "utf-8")
    made = danlu.compare([recipe, str(tmp_path / "both.yaml")], "300 tokens", seeds=1, out=tmp_path / "out", say=None)
    page = (tmp_path / "out" / "comparison.html").read_text("utf-8")
    judged = made["models"][0]["sufficiency"]
    assert re.fullmatch(r"--tokens \d+", judged["option"])
    summary = page[page.index('<section id="outcome">') : page.index("</section>")]
    for spoken in LANGUAGES:
        assert summary.count(SAID[spoken]) == 2, "both models"
        with language.using(spoken):
            print_comparison(made)
        assert capsys.readouterr().out.count(SAID[spoken]) == 2
    assert made["models"][1]["task_sufficiency"]["reasons"] == ["steps", "pretraining"]
