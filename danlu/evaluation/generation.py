"""Generate text with the cache of the architecture; the result equals that of a full forward pass for every token."""

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

TEXT_STREAM = {"text": StreamSpec()}


class Sampling(Settings):
    """Settings of text generation."""

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
        top_k = "" if self.top_k is None else f", top-k {self.top_k}"
        return f"temperature {self.temperature:g}{top_k}, top-p {self.top_p:g}{penalty}, seed {self.seed}"


def sample_token(logits: Tensor, sampling: Sampling, rng: np.random.Generator) -> int:
    """Sample one token id from logits [vocabulary]."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    # on the CPU: not every device has float64
    ordered, ids = torch.sort(logits.cpu().double() / sampling.temperature, descending=True, stable=True)
    if sampling.top_k:
        ordered, ids = ordered[: sampling.top_k], ids[: sampling.top_k]
    probabilities = ordered.softmax(-1).numpy()
    before = np.cumsum(probabilities) - probabilities
    kept = probabilities * (before < sampling.top_p)
    return int(ids[rng.choice(len(kept), p=kept / kept.sum())])


def apply_repetition_penalty(logits: Tensor, previous: np.ndarray, penalty: float) -> Tensor:
    """Divide the logits [vocabulary] of previous tokens by `penalty` where positive, multiply where negative."""
    if penalty == 1:
        return logits
    ids = torch.from_numpy(np.unique(previous))
    scores = logits[ids]
    return logits.index_copy(0, ids, torch.where(scores > 0, scores / penalty, scores * penalty))


def pack_continuations(
    positions: Sequence[int],
    parts: Sequence[np.ndarray],
    device: str,
    prompt_order: Callable[[int], np.ndarray] = causal_order,
) -> Stream:
    """Pack one sequence per part, starting at its position.

    Parts at position 0 are prompts, with attention in `prompt_order`.
    """
    seqs = []
    for position, ids in zip(positions, parts, strict=True):
        order = causal_order(len(ids)) + position
        seqs.append(Seq({"token": ids, "position": order}, order if position else prompt_order(len(ids))))
    return pack([{"text": [seq]} for seq in seqs], TEXT_STREAM)["text"].to(torch.device(device))


def pack_continuation(position: int, ids: np.ndarray, device: str) -> Stream:
    """Pack one sequence whose first position is `position`."""
    return pack_continuations([position], [ids], device)


@dataclass
class DecodingState:
    """A text being generated."""

    ids: np.ndarray  # prompt and generated ids
    rng: np.random.Generator
    generated: list[int] = field(default_factory=list)
    num_cached: int = 0  # ids that are in the cache of the model
    done: bool = False

    def next_input(self, context: int) -> tuple[int, np.ndarray]:
        """Return the position and ids of the next input. A finished text repeats its last token without effect."""
        if self.done:
            return min(self.num_cached, context) - 1, self.ids[-1:]
        return self.num_cached, self.ids[self.num_cached :]

    def append(self, token: int, eos: int, limit: int, context: int) -> bool:
        """Append a token; return False for eos, which is not appended.

        The text ends at eos, after `limit` new tokens, or at the end of the context.
        """
        self.num_cached = len(self.ids)
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
    was_training = model.training
    model.eval()
    texts = [DecodingState(ids, np.random.default_rng(sampling.seed)) for ids in starts]
    forbidden = sorted(vocabulary.special - {vocabulary.eos} - allowed)
    state = None
    while not all(text.done for text in texts):
        positions, parts = zip(*(text.next_input(context) for text in texts), strict=True)
        stream = pack_continuations(positions, parts, machine.device, prompt_order)
        hidden, state = step(stream, state)
        last = model.token_logits(hidden[stream.offsets[1:] - 1]).float().cpu()  # one transfer for all texts
        for k, text in enumerate(texts):
            if text.done:
                continue
            logits = apply_repetition_penalty(last[k], text.ids, sampling.repetition_penalty)
            logits[forbidden] = float("-inf")
            logits[vocabulary.size :] = float(
                "-inf"
            )  # the vocabulary of a model may be larger than that of its tokenizer
            token = sample_token(logits, sampling, text.rng)
            if text.append(token, vocabulary.eos, sampling.tokens, context) and watch(k, token):
                text.done = True
    model.train(was_training)
    return [np.array(text.generated, dtype=np.int64) for text in texts]


def generate(
    model: Any, prompt: np.ndarray, vocabulary: Vocabulary, sampling: Sampling, context: int, machine: Machine
) -> np.ndarray:
    """Continue one prompt, as `generate_many` does."""
    return generate_many(model, [prompt], vocabulary, sampling, context, machine)[0]
