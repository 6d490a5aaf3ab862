"""The text of events, except those of a training in progress (`training_text.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from danlu.console.draft_text import layout_text
from danlu.console.formatting import byte_size, metric, with_interval
from danlu.console.language import current, message, named, translated
from danlu.report.formatting import approximate_duration
from danlu.report.phrases import in_language
from danlu.report.too_short import epochs_text, short_model, short_task
from danlu.results import ModelResult
from danlu.runs import events
from danlu.runs.events import Event
from danlu.runs.warm_start import modules

REASONS = 3
"""Reasons for which files are not read that are shown."""

DIGEST = 12
"""Digits of a SHA-256 digest that are shown."""


def corpus_read(event: events.CorpusRead) -> list[str]:
    return [
        message(
            "data.corpus",
            source=event.source,
            layout=layout_text(event.layout),
            documents=event.documents,
            megabytes=event.bytes / 1e6,
            rejected=event.rejected,
        ),
        *([files_read(event.account)] if event.account else []),
    ]


def files_read(account: Mapping[str, Any]) -> str:
    """How many files and bytes of a source were read, and the largest parts that were not."""
    parts = [
        message("data.not_read_reason", size=byte_size(e["bytes"]), reason=translated("reason", e["reason"]))
        for e in account["not_read"][:REASONS]
    ]
    rest = message("data.not_read", reasons=message("list.comma").join(parts)) if parts else ""
    read = account["read"]
    sizes = {"size": byte_size(read["bytes"]), "all": byte_size(account["bytes"])}
    return message("data.files", read=read["files"], files=account["files"], rest=rest, **sizes)


def tokenizer_ready(event: events.TokenizerReady) -> list[str]:
    return [message("data.tokenizer", kind=event.kind, entries=event.entries, bytes_per_token=event.bytes_per_token)]


def tokens_counted(event: events.TokensCounted) -> list[str]:
    return [message("data.tokens", **event.tokens)]


def training_planned(event: events.TrainingPlanned) -> list[str]:
    """What the budget buys on this machine; times only where the plan measured them."""
    plan, units = event.plan, event.units
    epoch = plan.epoch_steps(units)
    values = {"steps": plan.steps, "epochs": epochs_text(plan.epochs(units)), "epoch": epoch}
    if event.runs > 1:
        values["runs"] = event.runs
    if step := plan.seconds_per_step:
        values["time"] = short_duration(event.runs * plan.steps * step)
        values["epoch_time"] = short_duration(epoch * step)
    key = "training.plan" + ("_runs" if event.runs > 1 else "") + ("_timed" if plan.seconds_per_step else "")
    lines = [message(key, name=event.name, **values)]
    if plan.raised_from is not None:
        lines.insert(0, message("training.raised", name=event.name, bought=plan.raised_from, steps=plan.steps))
    return lines


def short_duration(seconds: float) -> str:
    return in_language(approximate_duration(seconds), current())


def term_not_measured(event: events.TermNotMeasured) -> list[str]:
    return [message("training.not_measured", model=event.model, term=event.term)]


def warm_started(event: events.WarmStarted) -> list[str]:
    return [message("weights.warm_start", model=event.model, folder=event.folder, digest=event.sha256[:DIGEST])]


def weights_transferred(event: events.WeightsTransferred) -> list[str]:
    """One line for each kind of weights that were not copied unchanged."""
    facts = event.facts
    found = {key: modules(facts[key]) for key in ("new", "unused", "ignored")}
    found["resized"] = [
        message("weights.rows", name=t["name"], source=t["source_rows"], target=t["target_rows"])
        for t in facts["resized"]
    ]
    return [
        message(f"weights.{key}", model=event.model, weights=message("list.comma").join(found[key])).strip()
        for key in ("new", "resized", "unused", "ignored")
        if found[key]
    ]


def weights_ignored(event: events.WeightsIgnored) -> list[str]:
    return [message("weights.ignored", model="", weights=message("list.comma").join(event.modules))]


def model_evaluated(event: events.ModelEvaluated) -> list[str]:
    """The headline figure of a model: bits per byte with its baselines, or the losses of its terms and its metrics.

    If the training was too short, this is said instead of a comparison with the baselines.
    """
    short = short_model(event.result)
    lines = headline(event, compare=short is None)
    if short is not None:
        reason = in_language(short, current())
        lines.append(message("evaluation.too_short", model=event.result.name, reason=reason))
    return lines


def headline(event: events.ModelEvaluated, compare: bool) -> list[str]:
    """Bits per byte with baselines, which have their own line without `compare`; or losses of terms and metrics."""
    result = event.result
    if result.text_lost:
        reason = message("evaluation.text_lost_reason")
        return [
            message(
                "evaluation.text_lost", model=result.name, loss=result.loss, perplexity=result.perplexity, reason=reason
            )
        ]
    if result.bits_per_byte is None:
        return [*term_losses(event), *objective_metrics(result)]
    bits = with_interval(result.bits_per_byte, *(result.bits_per_byte_interval or (None, None)))
    baselines = [f"{named('baseline', name)} {value:.3f}" for name, value in (result.baselines or {}).items()]
    joined = message("list.comma").join(baselines)
    if compare:
        return [message("evaluation.bits", model=result.name, bits=bits, baselines=joined)]
    return [
        message("evaluation.bits_alone", model=result.name, bits=bits),
        message("evaluation.baselines", model=result.name, baselines=joined),
    ]


def term_losses(event: events.ModelEvaluated) -> list[str]:
    terms = [
        message(
            "evaluation.nats" if term in event.cross_entropies else "evaluation.loss", term=term, loss=metric(v.loss)
        )
        for term, v in (event.result.terms or {}).items()
    ]
    key = "evaluation.units" if event.own_units else "evaluation.documents"
    return [message(key, model=event.result.name, terms=message("list.comma").join(terms))]


def objective_metrics(result: ModelResult) -> list[str]:
    figures = result.judged.figures if result.judged else {}
    if not figures:
        return []
    text = message("list.comma").join(f"{name} {metric(value)}" for name, value in figures.items())
    return [message("evaluation.metrics", model=result.name, metrics=text)]


def model_exported(event: events.ModelExported) -> list[str]:
    result = event.result
    difference, tolerance = result.max_logit_difference, result.tolerance
    if difference is None or tolerance is None:
        return [message("export.native", model=result.name, path=result.path, reason=result.reason)]
    key = "export.equal" if difference <= tolerance else "export.unequal"
    return [message(key, model=result.name, path=result.path, kind=result.kind, difference=difference)]


def fine_tuning_started(event: events.FineTuningStarted) -> list[str]:
    about = {"folder": event.folder, "objective": event.objective, "architecture": event.architecture}
    return [
        message("finetuning.model", **about, digest=event.sha256[:DIGEST]),
        message("finetuning.rows", rows=translated("rows", event.rows)),
    ]


def learning_rate_chosen(event: events.LearningRateChosen) -> list[str]:
    scores = message("list.comma").join(f"{rate}: {score:.3f}" for rate, score in event.scores.items())
    about = {"task": event.task, "arm": named("baseline", event.arm), "rate": event.learning_rate}
    return [message("finetuning.learning_rate", **about, scores=scores)]


def task_scored(event: events.TaskScored) -> list[str]:
    score = with_interval(event.score.mean, event.score.low, event.score.high)
    arm = named("baseline", event.arm)
    return [message("finetuning.task", task=event.task, arm=arm, metric=named("metric", event.metric), score=score)]


def task_judged(event: events.TaskJudged) -> list[str]:
    """A line only if the training was too short."""
    short = short_task(event.result, event.pretraining)
    if short is None:
        return []
    return [message("evaluation.too_short", model=event.result.name, reason=in_language(short, current()))]


FORMATTERS: dict[type[Event], Callable[[Any], list[str]]] = {
    events.CorpusRead: corpus_read,
    events.TokenizerReady: tokenizer_ready,
    events.TokensCounted: tokens_counted,
    events.TrainingPlanned: training_planned,
    events.TermNotMeasured: term_not_measured,
    events.WarmStarted: warm_started,
    events.WeightsTransferred: weights_transferred,
    events.WeightsIgnored: weights_ignored,
    events.ModelEvaluated: model_evaluated,
    events.ModelExported: model_exported,
    events.FineTuningStarted: fine_tuning_started,
    events.LearningRateChosen: learning_rate_chosen,
    events.TaskScored: task_scored,
    events.TaskJudged: task_judged,
}
"""The formatter of every event that becomes lines of its own."""


def event_lines(event: Event) -> list[str]:
    """Return the text of an event, one string per line."""
    return FORMATTERS[type(event)](event)
