"""Text generation with the architecture's own cache, equal to a full forward pass for every token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from danlu.batch import Seq, Stream, StreamSpec, causal_order
from danlu.packing import pack
from danlu.settings import Settings
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.precision import Machine

PLAIN = {"text": StreamSpec()}


class Sampling(Settings):
    """How the next token is drawn. temperature 0 is greedy; top_k and top_p (Holtzman et al. 2020) cut the tail;
    repetition_penalty above 1 makes what was said less likely (Keskar et al. 2019)."""

    tokens: PositiveInt = 60
    temperature: float = Field(default=0.8, ge=0)
    top_k: PositiveInt | None = None
    top_p: float = Field(default=0.95, gt=0, le=1)
    repetition_penalty: float = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0)

    def __str__(self) -> str:
        penalty = "" if self.repetition_penalty == 1 else f", repetition penalty {self.repetition_penalty:g}"
        if self.temperature == 0:
            return f"greedy{penalty}"
        cut = "" if self.top_k is None else f", top-k {self.top_k}"
        return f"temperature {self.temperature:g}{cut}, top-p {self.top_p:g}{penalty}, seed {self.seed}"


def choose(logits: Tensor, sampling: Sampling, rng: np.random.Generator) -> int:
    """One token id from logits [vocabulary]."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    # in float64, which not every device has
    ordered, ids = torch.sort(logits.cpu().double() / sampling.temperature, descending=True, stable=True)
    if sampling.top_k:
        ordered, ids = ordered[: sampling.top_k], ids[: sampling.top_k]
    shares = ordered.softmax(-1).numpy()
    before = np.cumsum(shares) - shares
    kept = shares * (before < sampling.top_p)
    return int(ids[rng.choice(len(kept), p=kept / kept.sum())])


def penalised(logits: Tensor, said: np.ndarray, penalty: float) -> Tensor:
    """[vocabulary]: the logits of the tokens `said` divided by `penalty` where above 0, multiplied where below."""
    if penalty == 1:
        return logits
    ids = torch.from_numpy(np.unique(said))
    score = logits[ids]
    return logits.index_copy(0, ids, torch.where(score > 0, score / penalty, score * penalty))


def continuations(
    positions: Sequence[int],
    parts: Sequence[np.ndarray],
    device: str,
    prompt_order: Callable[[int], np.ndarray] = causal_order,
) -> Stream:
    """A stream of one sequence for each part, which begins at its position; at position 0 stand prompts, whose tokens
    see each other by `prompt_order`."""
    seqs = []
    for position, ids in zip(positions, parts, strict=True):
        places = causal_order(len(ids)) + position
        seqs.append(Seq({"token": ids, "position": places}, places if position else prompt_order(len(ids))))
    return pack([{"text": [seq]} for seq in seqs], PLAIN)["text"].to(torch.device(device))


def continuation(position: int, ids: np.ndarray, device: str) -> Stream:
    """A stream of one sequence whose first position is `position`."""
    return continuations([position], [ids], device)


@dataclass
class DecodingState:
    """One text under way: its ids so far, how many of them are new, how many the model has read."""

    ids: np.ndarray
    rng: np.random.Generator
    made: list[int] = field(default_factory=list)
    read: int = 0
    done: bool = False

    def unread(self, context: int) -> tuple[int, np.ndarray]:
        """(position, ids) of what the model reads next; a text that is done repeats its last token, to no effect."""
        if self.done:
            return min(self.read, context) - 1, self.ids[-1:]
        return self.read, self.ids[self.read :]

    def take(self, token: int, eos: int, limit: int, context: int) -> bool:
        """Whether the token is part of the text; the text is done at its end, at the limit or at the context."""
        self.read = len(self.ids)
        if token == eos:
            self.done = True
            return False
        self.made.append(token)
        self.ids = np.append(self.ids, token)
        self.done = len(self.made) >= limit or len(self.ids) > context
        return True


def generate_many(
    model: Any,
    prompts: Sequence[np.ndarray],
    vocabulary: Vocabulary,
    sampling: Sampling,
    context: int,
    machine: Machine,
    watch: Callable[[int, int], bool] = lambda text, token: False,
) -> list[np.ndarray]:
    """New token ids after each of `prompts` (which get the beginning-of-text token), up to the end-of-text token (left
    out), `sampling.tokens` or the model's context, whichever comes first. `model` is a Network.

    All texts go on together, each drawn from `sampling.seed` as it would be alone. watch(text, token) is told of every
    new token and ends its text by returning True.
    """
    begun = [np.concatenate([[vocabulary.bos], prompt])[-context:] for prompt in prompts]

    def step(stream: Stream, state: Any) -> tuple[Tensor, Any]:
        return model.backbone.extend(model.embed(stream), stream, state)

    return decode_texts(
        model, begun, step, frozenset(), vocabulary, sampling, context, machine, watch, model.objective.prompt_order
    )


@torch.no_grad()
def decode_texts(
    model: Any,
    begun: Sequence[np.ndarray],
    step: Callable[[Stream, Any], tuple[Tensor, Any]],
    allowed: frozenset[int],
    vocabulary: Vocabulary,
    sampling: Sampling,
    context: int,
    machine: Machine,
    watch: Callable[[int, int], bool],
    prompt_order: Callable[[int], np.ndarray] = causal_order,
) -> list[np.ndarray]:
    """New token ids behind each of `begun`, whose hidden states `step(stream, state)` gives; `allowed` are the special
    tokens that may be said besides eos."""
    was = model.training
    model.eval()
    texts = [DecodingState(ids, np.random.default_rng(sampling.seed)) for ids in begun]
    forbidden = sorted(vocabulary.special - {vocabulary.eos} - allowed)
    state = None
    while not all(text.done for text in texts):
        places, parts = zip(*(text.unread(context) for text in texts), strict=True)
        stream = continuations(places, parts, machine.device, prompt_order)
        hidden, state = step(stream, state)
        last = model.token_logits(hidden[stream.offsets[1:] - 1]).float().cpu()  # one transfer for all texts
        for k, text in enumerate(texts):
            if text.done:
                continue
            logits = penalised(last[k], text.ids, sampling.repetition_penalty)
            logits[forbidden] = float("-inf")
            logits[vocabulary.size :] = float("-inf")  # a model may be padded beyond its tokenizer
            token = choose(logits, sampling, text.rng)
            if text.take(token, vocabulary.eos, sampling.tokens, context) and watch(k, token):
                text.done = True
    model.train(was)
    return [np.array(text.made, dtype=np.int64) for text in texts]


def generate(
    model: Any, prompt: np.ndarray, vocabulary: Vocabulary, sampling: Sampling, context: int, machine: Machine
) -> np.ndarray:
    """`generate_many` of one prompt."""
    return generate_many(model, [prompt], vocabulary, sampling, context, machine)[0]
