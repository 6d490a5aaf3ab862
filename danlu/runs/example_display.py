"""Decode a training example of a model for display."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from danlu.batch import Seq
from danlu.runs.pretrain_model import Pretraining
from danlu.tokens.tokenizer import TextTokenizer

MAX_TOKENS = 60


def decode_example(job: Pretraining) -> list[dict[str, Any]]:
    """Return the first sequence of each stream: its tokens, the target of each token, and its sequence labels.

    Streams without tokens (patches of an image) are left out.
    """
    samples = job.samples("train", job.recipe.training.seed)
    objective, tokenizer = job.recipe.objective, job.data.tokenizer
    example = objective.example(samples.draw(0, 0.0))
    return [
        {"stream": stream, **decode_sequence(sequences[0], objective.class_labels_of(stream), tokenizer)}
        for stream, sequences in example.items()
        if sequences and "token" in sequences[0].inputs
    ]


def decode_sequence(seq: Seq, numbers: frozenset[str], tokenizer: TextTokenizer) -> dict[str, Any]:
    """Return the tokens, targets and sequence labels of a sequence as strings.

    Targets are those of the first integer label, otherwise of the first label with one number per position. They are
    shown as tokens, or as numbers if their label is in `numbers`.
    """
    ids = np.asarray(seq.inputs["token"])[:MAX_TOKENS]
    targets: list[str | None] = [None] * len(ids)
    labels = sorted(seq.labels.items(), key=lambda label: np.asarray(label[1]).dtype.kind == "f")
    for name, label in labels:
        values = np.asarray(label)
        if values.dtype.kind in "iu" or values.ndim == 1:
            targets = [format_target(y, str if name in numbers else tokenizer.token) for y in values[:MAX_TOKENS]]
            break
    sequence_labels = {
        name: str(np.asarray(label)) for name, label in seq.sequence_labels.items() if np.ndim(label) == 0
    }
    return {"tokens": [tokenizer.token(int(i)) for i in ids], "targets": targets, "sequence_labels": sequence_labels}


def format_target(label: Any, name: Callable[[int], str]) -> str | None:
    """Format the target of one position, with integers by `name` and spaces between values; None without a target."""
    values = np.atleast_1d(label)
    if values.dtype.kind == "f":
        found = [f"{value:.2f}" for value in values if not np.isnan(value)]
    else:
        found = [name(int(value)) for value in values if value >= 0]
    return " ".join(found) if found else None
