"""Rewrite text with an encoder-decoder (`TextRewriter`)."""

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
    """Whether models trained by the objective rewrite text."""
    return objective.rewriter is not None


def require_rewriter(objective: Any) -> TextRewriter:
    """Return the rewriter of an objective.

    Raises:
        WrongInput: if models trained by the objective do not rewrite text.
    """
    if objective.rewriter is None:
        raise WrongInput(f"a model trained by {objective.name} does not rewrite text")
    return objective.rewriter


def encoder_input(objective: Any, parts: Sequence[np.ndarray], vocabulary: Vocabulary, context: int) -> np.ndarray:
    """Return the encoder input for a text, given as its parts around blanks.

    Raises:
        WrongInput: if the objective refuses the text or it is longer than the context.
    """
    ids = require_rewriter(objective).source_ids(parts, vocabulary)
    if len(ids) > context:
        raise WrongInput(f"the text has {len(ids)} tokens, more than the model's context of {context}; shorten it")
    return ids


def encode_sources(model: Any, sources: Sequence[np.ndarray], machine: Machine) -> Memory:
    """Encode several texts; return the memory for the decoder."""
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
    sources = [encoder_input(objective, parts, vocabulary, context) for parts in texts]
    was_training = model.training
    model.eval()
    memory = encode_sources(model, sources, machine)

    def step(stream: Stream, state: Any) -> tuple[Tensor, Any]:
        return model.decoder.extend(model.embed_for_decoder(stream), stream, state, memory)

    rewriter = require_rewriter(objective)
    starts = [rewriter.decoder_start(vocabulary) for _ in sources]
    allowed = rewriter.allowed_special_tokens(vocabulary)
    generated = decode_texts(model, starts, step, allowed, vocabulary, sampling, context, machine, watch)
    model.train(was_training)
    return [rewriter.merge(parts, ids, vocabulary) for parts, ids in zip(texts, generated, strict=True)]
