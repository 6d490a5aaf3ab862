"""What the objective of a model makes of one unit, in readable pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from danlu.batch import Seq
from danlu.runs.pretrain_model import Pretraining
from danlu.tokens.tokenizer import TextTokenizer

MOST = 60


def decoded_example(job: Pretraining) -> list[dict[str, Any]]:
    """The first sequence of each stream: its tokens, below each its target, and the sequence_labels of the whole.

    Streams without tokens (patches of an image) are left out.
    """
    samples = job.samples("train", job.recipe.training.seed)
    objective, tokenizer = job.recipe.objective, job.data.tokenizer
    example = objective.example(samples.draw(0, 0.0))
    return [
        {"stream": stream, **decoded(sequences[0], objective.class_labels_of(stream), tokenizer)}
        for stream, sequences in example.items()
        if sequences and "token" in sequences[0].inputs
    ]


def decoded(seq: Seq, numbers: frozenset[str], tokenizer: TextTokenizer) -> dict[str, Any]:
    """A target is shown as a token, or as a number where its label is in `numbers`; the first label of whole numbers is
    the one shown, or else the first of one number a position."""
    ids = np.asarray(seq.inputs["token"])[:MOST]
    targets: list[str | None] = [None] * len(ids)
    labels = sorted(seq.labels.items(), key=lambda label: np.asarray(label[1]).dtype.kind == "f")
    for name, label in labels:
        asked = np.asarray(label)
        if asked.dtype.kind in "iu" or asked.ndim == 1:
            targets = [readable_target(y, str if name in numbers else tokenizer.token) for y in asked[:MOST]]
            break
    sequence_labels = {name: str(np.asarray(mark)) for name, mark in seq.sequence_labels.items() if np.ndim(mark) == 0}
    return {"tokens": [tokenizer.token(int(i)) for i in ids], "targets": targets, "sequence_labels": sequence_labels}


def readable_target(label: Any, name: Callable[[int], str]) -> str | None:
    """The target of one position: a number as it is, an integer by its name, several side by side; None for none."""
    values = np.atleast_1d(label)
    if values.dtype.kind == "f":
        found = [f"{value:.2f}" for value in values if not np.isnan(value)]
    else:
        found = [name(int(value)) for value in values if value >= 0]
    return " ".join(found) if found else None
