"""One text read, another written: what encoder-decoders are for (`danlu.traits.Rewrites`)."""

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
"""A blank in a text to fill, with the space before it: a token of English text brings its own."""


def rewrites(objective: Any) -> bool:
    """Whether a model trained by it reads one text and writes another."""
    return objective.rewriter is not None


def rewriter(objective: Any) -> TextRewriter:
    """What says how a model trained by it rewrites; WrongInput for one that does not."""
    found = objective.rewriter
    if found is None:
        raise WrongInput(f"a model trained by {objective.name} does not rewrite text")
    return found


def source_of(objective: Any, parts: Sequence[np.ndarray], vocabulary: Vocabulary, context: int) -> np.ndarray:
    """The ids that the backbone is given for a text in its parts around blanks; WrongInput where the objective refuses
    it (`danlu.traits.Rewrites`) or it is longer than the context."""
    ids = rewriter(objective).source_ids(parts, vocabulary)
    if len(ids) > context:
        raise WrongInput(f"the text has {len(ids)} tokens, the model reads {context}; shorten it")
    return ids


def remembered(model: Any, sources: Sequence[np.ndarray], machine: Machine) -> Memory:
    """What the backbone makes of each of some texts."""
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
    """The ids of what each text, given in its parts around blanks, is rewritten to; at most `sampling.tokens` are
    written for it. WrongInput where a text is longer than the context. Otherwise as `generate_many`."""
    objective = model.objective
    sources = [source_of(objective, parts, vocabulary, context) for parts in texts]
    was = model.training
    model.eval()
    memory = remembered(model, sources, machine)

    def step(stream: Stream, state: Any) -> tuple[Tensor, Any]:
        return model.decoder.extend(model.embed_for_decoder(stream), stream, state, memory)

    by = rewriter(objective)
    begun = [by.decoder_start(vocabulary) for _ in sources]
    allowed = by.allowed_special_tokens(vocabulary)
    made = decode_texts(model, begun, step, allowed, vocabulary, sampling, context, machine, watch)
    model.train(was)
    return [by.merge(parts, ids, vocabulary) for parts, ids in zip(texts, made, strict=True)]
