"""Rewriting text with encoder-decoders: one text is read, another one is generated (`TextRewriter`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.batch import Memory, Seq, Stream, StreamSpec, full_order
from danlu.errors import WrongInput
from danlu.evaluation.generation import Sampling, decode_texts
from danlu.objective import TextRewriter
from danlu.packing import pack
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.precision import Machine

BLANK = re.compile(r" ?(?:<mask>|\[MASK\]|_{3,})")
"""A blank in a text, with the space before it: English tokens include their own leading space."""


def rewrites(objective: Any) -> bool:
    """Whether a model trained by the objective rewrites text."""
    return objective.rewriter is not None


def rewriter(objective: Any) -> TextRewriter:
    """Return how a model trained by the objective rewrites text.

    Raises:
        WrongInput: if it does not.
    """
    found = objective.rewriter
    if found is None:
        raise WrongInput(f"a model trained by {objective.name} does not rewrite text")
    return found


def source_of(objective: Any, parts: Sequence[np.ndarray], vocabulary: Vocabulary, context: int) -> np.ndarray:
    """Return the encoder input for a text, given as its parts around blanks.

    Raises:
        WrongInput: if the objective refuses the text or it is longer than the context.
    """
    ids = rewriter(objective).source_ids(parts, vocabulary)
    if len(ids) > context:
        raise WrongInput(f"the text has {len(ids)} tokens, the model's context is {context}; shorten it")
    return ids


def encode_sources(model: Any, sources: Sequence[np.ndarray], machine: Machine) -> Memory:
    """Run the encoder over several texts."""
    seqs = [Seq({"token": ids}, full_order(len(ids))) for ids in sources]
    stream = pack([{"text": [seq]} for seq in seqs], {"text": StreamSpec()})["text"].to(torch.device(machine.device))
    return Memory(model.hidden(stream), stream)


@torch.no_grad()
def rewrite_many(
    model: Any,
    texts: Sequence[Sequence[np.ndarray]],
    vocabulary: Vocabulary,
    sampling: Sampling,
    context: int,
    machine: Machine,
    watch: Callable[[int, int], bool] = lambda text, token: False,
) -> list[np.ndarray]:
    """Rewrite texts, each given as its parts around blanks, with at most `sampling.tokens` generated tokens.

    Otherwise as `generate_many`.

    Raises:
        WrongInput: if a text is longer than the context.
    """
    objective = model.objective
    sources = [source_of(objective, parts, vocabulary, context) for parts in texts]
    was = model.training
    model.eval()
    memory = encode_sources(model, sources, machine)

    def step(stream: Stream, state: Any) -> tuple[Tensor, Any]:
        return model.decoder.extend(model.embed_for_decoder(stream), stream, state, memory)

    chosen = rewriter(objective)
    starts = [chosen.decoder_start(vocabulary) for _ in sources]
    allowed = chosen.allowed_special_tokens(vocabulary)
    generated = decode_texts(model, starts, step, allowed, vocabulary, sampling, context, machine, watch)
    model.train(was)
    return [chosen.merge(parts, ids, vocabulary) for parts, ids in zip(texts, generated, strict=True)]
