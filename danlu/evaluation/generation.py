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
    """How text is sampled."""

    tokens: PositiveInt = Field(default=60, description="Maximum number of new tokens.")
    temperature: float = Field(default=0.8, ge=0, description="Softmax temperature; 0 is greedy decoding.")
    top_k: PositiveInt | None = Field(default=None, description="Sample from the k most probable tokens only.")
    top_p: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Nucleus sampling: sample from the most probable tokens that add up to this probability "
        "(Holtzman et al. 2020).",
    )
    repetition_penalty: float = Field(
        default=1.0, gt=0, description="Above 1: make tokens that occurred before less probable (Keskar et al. 2019)."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the random numbers.")

    def __str__(self) -> str:
        penalty = "" if self.repetition_penalty == 1 else f", repetition penalty {self.repetition_penalty:g}"
        if self.temperature == 0:
            return f"greedy{penalty}"
        cut = "" if self.top_k is None else f", top-k {self.top_k}"
        return f"temperature {self.temperature:g}{cut}, top-p {self.top_p:g}{penalty}, seed {self.seed}"


def choose(logits: Tensor, sampling: Sampling, rng: np.random.Generator) -> int:
    """Sample one token id from logits [vocabulary]."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    # on the CPU: not every device has float64
    ordered, ids = torch.sort(logits.cpu().double() / sampling.temperature, descending=True, stable=True)
    if sampling.top_k:
        ordered, ids = ordered[: sampling.top_k], ids[: sampling.top_k]
    shares = ordered.softmax(-1).numpy()
    before = np.cumsum(shares) - shares
    kept = shares * (before < sampling.top_p)
    return int(ids[rng.choice(len(kept), p=kept / kept.sum())])


def penalised(logits: Tensor, previous: np.ndarray, penalty: float) -> Tensor:
    """Divide the logits [vocabulary] of previous tokens by `penalty` where positive, multiply where negative."""
    if penalty == 1:
        return logits
    ids = torch.from_numpy(np.unique(previous))
    score = logits[ids]
    return logits.index_copy(0, ids, torch.where(score > 0, score / penalty, score * penalty))


def continuations(
    positions: Sequence[int],
    parts: Sequence[np.ndarray],
    device: str,
    prompt_order: Callable[[int], np.ndarray] = causal_order,
) -> Stream:
    """Pack one sequence per part, starting at its position; parts at position 0 are prompts, read in `prompt_order`."""
    seqs = []
    for position, ids in zip(positions, parts, strict=True):
        places = causal_order(len(ids)) + position
        seqs.append(Seq({"token": ids, "position": places}, places if position else prompt_order(len(ids))))
    return pack([{"text": [seq]} for seq in seqs], PLAIN)["text"].to(torch.device(device))


def continuation(position: int, ids: np.ndarray, device: str) -> Stream:
    """Pack one sequence whose first position is `position`."""
    return continuations([position], [ids], device)


@dataclass
class DecodingState:
    """A text being generated."""

    ids: np.ndarray  # prompt and generated ids
    rng: np.random.Generator
    generated: list[int] = field(default_factory=list)
    read: int = 0  # ids that are in the cache of the model
    done: bool = False

    def unread(self, context: int) -> tuple[int, np.ndarray]:
        """Return the position and ids of the next input; a finished text repeats its last token without effect."""
        if self.done:
            return min(self.read, context) - 1, self.ids[-1:]
        return self.read, self.ids[self.read :]

    def take(self, token: int, eos: int, limit: int, context: int) -> bool:
        """Append a token unless it is eos; the text is finished at eos, the limit or the end of the context."""
        self.read = len(self.ids)
        if token == eos:
            self.done = True
            return False
        self.generated.append(token)
        self.ids = np.append(self.ids, token)
        self.done = len(self.generated) >= limit or len(self.ids) > context
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
    """Continue prompts up to eos (excluded), `sampling.tokens` or the context of the model, whichever comes first.

    Prompts get a bos token. All texts are generated together, each with its own random numbers from `sampling.seed`, as
    if it were alone. `watch(text index, token)` is called with every new token; its text ends when it returns True.

    Returns:
        The new token ids of each prompt.
    """
    starts = [np.concatenate([[vocabulary.bos], prompt])[-context:] for prompt in prompts]

    def step(stream: Stream, state: Any) -> tuple[Tensor, Any]:
        return model.backbone.extend(model.embed(stream), stream, state)

    return decode_texts(
        model, starts, step, frozenset(), vocabulary, sampling, context, machine, watch, model.objective.prompt_order
    )


@torch.no_grad()
def decode_texts(
    model: Any,
    starts: Sequence[np.ndarray],
    step: Callable[[Stream, Any], tuple[Tensor, Any]],
    allowed: frozenset[int],
    vocabulary: Vocabulary,
    sampling: Sampling,
    context: int,
    machine: Machine,
    watch: Callable[[int, int], bool],
    prompt_order: Callable[[int], np.ndarray] = causal_order,
) -> list[np.ndarray]:
    """Generate token ids after each of `starts`; `step(stream, state)` returns hidden states and the next state.

    `allowed` are the special tokens that can be generated in addition to eos.
    """
    was = model.training
    model.eval()
    texts = [DecodingState(ids, np.random.default_rng(sampling.seed)) for ids in starts]
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
    return [np.array(text.generated, dtype=np.int64) for text in texts]


def generate(
    model: Any, prompt: np.ndarray, vocabulary: Vocabulary, sampling: Sampling, context: int, machine: Machine
) -> np.ndarray:
    """Continue one prompt, as `generate_many` does."""
    return generate_many(model, [prompt], vocabulary, sampling, context, machine)[0]
