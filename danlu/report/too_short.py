"""The text about a training that was too short for its results to be judged, for the page and the console."""

from __future__ import annotations

from danlu.report.formatting import approximate_duration
from danlu.report.phrases import Phrase, Text, phrase
from danlu.results import ModelResult, Sufficiency, TaskResult


def short_model(model: ModelResult) -> Phrase | None:
    """Return why a model cannot be judged and what would be enough; None if it can be judged."""
    return short_training(model.sufficiency)


def short_task(task: TaskResult, pretraining: Sufficiency | None) -> Phrase | None:
    """Return why the scores of a task cannot be judged and what would be enough; None if they can be judged.

    Args:
        pretraining: judges the pre-training of the model, if it is known.
    """
    return short_finetuning(task.model or "–", task.sufficiency, pretraining)


def short_training(judged: Sufficiency | None) -> Phrase | None:
    """Return why a pre-training was too short; None if it was not, or is of an earlier version."""
    if judged is None or judged.sufficient:
        return None
    return with_advice(trained_for(judged), judged)


def short_finetuning(model: str, judged: Sufficiency | None, pretraining: Sufficiency | None) -> Phrase | None:
    """Return why fine-tunings of a model were too short; None if they were not, or are of an earlier version."""
    if judged is None or judged.sufficient:
        return None
    reasons: list[Text] = []
    if "pretraining" in judged.reasons and pretraining is not None:
        reasons.append(phrase("short.pretrained", model=model, length=trained_for(pretraining)))
    if "steps" in judged.reasons:
        one = judged.steps == 1
        reasons.append(phrase("short.finetuning_step" if one else "short.finetuning_steps", steps=str(judged.steps)))
    return with_advice(reasons, judged)


def short_comparison(model: str, pretraining: Sufficiency | None, finetuning: Sufficiency | None) -> Phrase | None:
    """Return the sentence on a compared model; None if its results can be compared."""
    short = short_training(pretraining) or short_finetuning(model, finetuning, pretraining)
    return None if short is None else phrase("short.model", model=model, short=short)


def with_advice(reasons: Text, judged: Sufficiency) -> Phrase:
    if judged.option is None:
        return phrase("short.judged", reasons=reasons)
    return phrase("short.advised", reasons=reasons, advice=advice(judged))


def trained_for(judged: Sufficiency) -> Text:
    """Return the steps and epochs of a training, and the slope of its loss if that is a reason."""
    steps = phrase("short.step" if judged.steps == 1 else "short.steps", steps=str(judged.steps))
    length = phrase("short.length", steps=steps, epochs=epochs_text(judged.epochs or 0.0))
    if "loss" not in judged.reasons or judged.fall_per_doubling is None:
        return length
    return phrase("short.falling", length=length, fall=f"{judged.fall_per_doubling:.2f}")


def advice(judged: Sufficiency) -> Text:
    """Return the estimated time of a long enough training and the option that gives it."""
    option = phrase("short.option", option=judged.option or "")
    if not judged.seconds:
        return option
    time = approximate_duration(judged.seconds)
    if judged.needed_steps == judged.epoch_steps:
        return phrase("short.one_epoch", time=time, option=option)
    return phrase("short.needed_steps", time=time, steps=str(judged.needed_steps), option=option)


def epochs_text(epochs: float) -> str:
    """Format 0.0123 as 0.012, 2.04 as 2.0 and 12.3 as 12."""
    return f"{epochs:.2g}" if epochs < 1 else f"{epochs:.1f}" if epochs < 10 else f"{epochs:.0f}"
