"""The summary at the top of the page: the outcome of the run in sentences, derived from the results."""

from __future__ import annotations

from dataclasses import dataclass

from danlu.report import verdicts
from danlu.report.chart_dots import FIRST
from danlu.report.formatting import number, short_count, signed, with_interval
from danlu.report.phrases import Phrase, Text, phrase, word
from danlu.report.too_short import short_model, short_task
from danlu.results import Difference, ModelResult, Results, Score, Sufficiency, TaskResult, finite

STRONG_BASELINES = ("ngram", "zstd_primed")
"""Prefixes of the baselines that the summary mentions; the chart shows all."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of the summary; `verdict` is the colour of its border."""

    subject: str
    text: Phrase
    verdict: str | None


def outcome(results: Results) -> list[Sentence]:
    tested = {task.model for task in results.tasks}
    sentences = [
        likelihood_sentence(model, model.bits_per_byte) for model in results.pretrain if model.bits_per_byte is not None
    ]
    sentences += [
        loss_sentence(model) for model in results.pretrain if model.bits_per_byte is None and model.name not in tested
    ]
    models = {model.name: model.sufficiency for model in results.pretrain}
    return sentences + [task_sentence(task, models.get(task.model or "")) for task in results.tasks]


def introduction(model: ModelResult) -> dict[str, Text]:
    return {
        "objective": word("objective", model.objective),
        "parameters": short_count(model.parameters),
    }


def likelihood_sentence(model: ModelResult, bits: float) -> Sentence:
    figure = with_interval(bits, model.bits_per_byte_interval)
    if not finite(bits):
        return Sentence(model.name, phrase("outcome.diverged", bits=figure, **introduction(model)), verdicts.WORSE)
    if short := short_model(model):
        text = phrase("outcome.short_bits", bits=figure, short=short, **introduction(model))
        return Sentence(model.name, text, None)
    measured = model.finite_baselines()
    mentioned = {name: value for name, value in measured.items() if name.startswith(STRONG_BASELINES)} or measured
    if not mentioned:
        return Sentence(model.name, phrase("outcome.bits_alone", bits=figure, **introduction(model)), None)
    compared = [compare_baseline(model, bits, name, value) for name, value in mentioned.items()]
    sides = list(dict.fromkeys(one.side for one in compared))
    clauses = [
        phrase(f"outcome.{side}_controls", controls=[one.clause for one in compared if one.side == side])
        for side in sides
    ]
    verdict = sides[0] if len(sides) == 1 and all(one.clear for one in compared) else verdicts.LEVEL
    text = phrase("outcome.bits", bits=figure, clauses=clauses, **introduction(model))
    return Sentence(model.name, text, verdict)


@dataclass(frozen=True)
class ComparedBaseline:
    """A baseline and the verdict on the model compared with it, which is `clear` if an interval supports it."""

    side: str
    clear: bool
    clause: Phrase


def compare_baseline(model: ModelResult, bits: float, name: str, value: float) -> ComparedBaseline:
    """Compare with a baseline by the paired difference if the run measured it, otherwise by the two numbers."""
    control = word("spoken_baseline", name)
    difference = (model.differences or {}).get(name)
    measured = verdicts.of_difference(difference, higher_is_better=False)
    if measured is not None:
        return ComparedBaseline(measured, True, phrase("outcome.control", control=control, value=number(value)))
    ends = model.bits_per_byte_interval
    outside = ends is not None and not ends[0] <= value <= ends[1]
    key = "outcome.control" if outside or ends is None else "outcome.control_inside"
    return ComparedBaseline(verdicts.of_bits(bits, value), outside, phrase(key, control=control, value=number(value)))


def loss_sentence(model: ModelResult) -> Sentence:
    if short := short_model(model):
        text = phrase("outcome.short_loss", loss=number(model.loss), short=short, **introduction(model))
        return Sentence(model.name, text, None)
    key = "outcome.text_lost" if model.text_lost else "outcome.loss"
    return Sentence(model.name, phrase(key, loss=number(model.loss), **introduction(model)), None)


def task_sentence(task: TaskResult, pretraining: Sufficiency | None) -> Sentence:
    metric = word("metric", task.metric)
    ours = task.scores.get("ours")
    if ours is None:
        return Sentence(task.name, phrase("outcome.no_score", metric=metric), None)
    model = task.model or "–"
    if short := short_task(task, pretraining):
        text = phrase("outcome.short_task", model=model, metric=metric, value=score_text(ours), short=short)
        return Sentence(task.name, text, None)
    others = [(name, task.scores.get(name)) for name in mentioned_controls(task)]
    against = [
        phrase("outcome.against", control=word("condition", name), value=score_text(score))
        for name, score in others
        if score is not None
    ]
    compared = [comparison(task, name) for name, score in others if score is not None]
    if not against:
        return Sentence(
            task.name, phrase("outcome.task_alone", model=model, metric=metric, value=score_text(ours)), None
        )
    both: Text = phrase("outcome.two", first=compared[0], second=compared[1]) if len(compared) == 2 else compared
    text = phrase("outcome.task", model=model, metric=metric, value=score_text(ours), against=against, verdicts=both)
    return Sentence(task.name, text, overall(task))


def mentioned_controls(task: TaskResult) -> tuple[str, ...]:
    """Return the arms that the summary compares with: random weights and the first baseline of the task."""
    baselines = [name for name in task.scores if name not in FIRST]
    return ("random_weights", *baselines[:1])


def overall(task: TaskResult) -> str | None:
    """Return the verdict of the sentence: "better" only if pre-training helped and no mentioned baseline is better."""
    found = {
        name: verdicts.of_difference(task.differences.get(name), task.higher_is_better)
        for name in mentioned_controls(task)
    }
    helped = found["random_weights"]
    return verdicts.LEVEL if helped == verdicts.BETTER and verdicts.WORSE in found.values() else helped


def comparison(task: TaskResult, control: str) -> Phrase:
    difference = task.differences.get(control)
    verdict = verdicts.of_difference(difference, task.higher_is_better)
    if difference is None or verdict is None:
        return phrase("outcome.unmeasured", control=word("condition", control))
    kind = "pretraining" if control == "random_weights" else "control"
    return phrase(
        f"outcome.{kind}_{verdict}", control=word("condition", control), difference=difference_text(difference)
    )


def score_text(score: Score) -> str:
    return with_interval(score.mean, (score.low, score.high))


def difference_text(difference: Difference) -> str:
    return with_interval(difference.mean, (difference.low, difference.high), signed)
