"""The base class of predictors, which are saved with the weights of a fine-tuned model and make predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from danlu.objective import Objective
from danlu.registry import Registry
from danlu.settings import Settings
from danlu.tokens.tokenizer import TextTokenizer

predictors = Registry("predictor")

BATCH_ROWS, BATCH_TOKENS = 32, 8192


class Predictor(Settings, ABC):
    """Settings for predictions with a fine-tuned model. They are stored in `danlu.json`."""

    if TYPE_CHECKING:  # declared by each class as `name: Literal["..."] = "..."`
        name: str

    predicts_probabilities: ClassVar[bool] = False
    """Whether each prediction is {class: probability}, most probable first, as `Model.classify` returns it."""

    @abstractmethod
    def objective(self) -> Objective:
        """Return the objective of fine-tuning, whose head holds the new weights."""

    @abstractmethod
    def answer(self, model: Any, tokenizer: TextTokenizer, inputs: Sequence[Any]) -> list[Any]:
        """Return one JSON-serialisable prediction for each input, in order.

        `model` is a network in evaluation mode; `model.head` is the result of `objective().build_head`.
        """


predictors.base = Predictor


def framed_ids(texts: Sequence[str], tokenizer: TextTokenizer, max_tokens: int) -> list[np.ndarray]:
    """Return the ids of each text with beginning and end tokens, truncated to `max_tokens` in total."""
    v = tokenizer.vocabulary
    return [np.concatenate([[v.bos], ids[: max_tokens - 2], [v.eos]]) for ids in tokenizer.encode_batch(list(texts))]


def batches_of(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group consecutive inputs, given their lengths in tokens, into batches of indices.

    A batch has at most `BATCH_ROWS` inputs and `BATCH_TOKENS` tokens, but at least one input.
    """
    batch: list[int] = []
    for i, length in enumerate(lengths):
        if batch and (len(batch) == BATCH_ROWS or sum(lengths[k] for k in batch) + length > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
