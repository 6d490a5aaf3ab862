"""Whether an exported folder, loaded by transformers, computes what the learner does: the logits of a model that
predicts, the hidden states of an encoder without a head."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.architectures.learner import Learner
from danlu.architectures.presets import Family, family_of
from danlu.errors import DanluError, WrongInput
from danlu.export.model_folder import CONFIG, read_facts, read_table
from danlu.export.quiet_transformers import quiet_transformers
from danlu.export.tokenizer_files import frame
from danlu.export.within import taken
from danlu.packing import pack
from danlu.settings import Settings
from danlu.tokens.tokenizer import TextTokenizer
from danlu.tokens.vocabulary import Vocabulary
from danlu.traits import models_within
from danlu.waist import Fields, Memory, Seq, Stream, causal_order, full_order

EVERY = 5
"""One in so many tokens of a text is masked."""


def check_export(learner: Learner, tokenizer: TextTokenizer, folder: Path, texts: Sequence[str]) -> float:
    """The largest absolute difference of logits (without a head, of hidden states) over `texts`, one by one, both sides
    in float32 on the CPU; of all the models that the learner's objective trains.

    DanluError when transformers reads other ids, does not find every weight or gives logits that are no numbers.
    """
    folder = Path(folder)
    if not texts:
        raise WrongInput(f"{folder}: there is no text to compare the logits of")
    if not (folder / CONFIG).is_file():
        raise WrongInput(f"{folder} has no {CONFIG}: it is danlu's own and transformers cannot load it")
    parts = models_within(learner.objective)
    if parts:
        architecture: Settings = read_facts(folder).architecture
        inner = {name: taken(learner, part, architecture).learner for name, part in parts.items()}
        return max(compared(model, tokenizer, folder / name, texts) for name, model in inner.items())
    return compared(learner, tokenizer, folder, texts)


def compared(learner: Learner, tokenizer: TextTokenizer, folder: Path, texts: Sequence[str]) -> float:
    """`check_export` of one model and its folder."""
    config = read_table(folder / CONFIG)
    family = family_of(config, str(folder / CONFIG))
    context = family.settings_of(config).context
    ours = deepcopy(learner).to("cpu", torch.float32).eval()
    with quiet_transformers() as transformers:
        check_tokens(transformers, tokenizer, folder, texts, family.objective)
        theirs = load_strictly(transformers, folder, family)
        worst = 0.0
        for text in texts:
            ids = shown(tokenizer, text, family.objective, context)
            found = difference(ours, theirs, ids, family.objective)
            if not math.isfinite(found):
                raise DanluError(f"{folder}: the logits of {text[:40]!r} are not all numbers")
            worst = max(worst, found)
    return worst


def check_tokens(
    transformers: ModuleType, tokenizer: TextTokenizer, folder: Path, texts: Sequence[str], objective: str
) -> None:
    """Refuse a folder whose `AutoTokenizer` gives other ids than danlu, with or without special tokens."""
    # a text may hold "<mask>": to danlu that is text, to transformers a special token unless it is told
    auto = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, split_special_tokens=True)
    before, after = frame(tokenizer, objective)
    for text in texts:
        ids = tokenizer.encode(text).tolist()
        for special, expected in ((False, ids), (True, before + ids + after)):
            given = auto(text, add_special_tokens=special)["input_ids"]
            if given != expected:
                at = next((i for i, (a, b) in enumerate(zip(given, expected, strict=False)) if a != b), None)
                place = f"differ at token {at}" if at is not None else f"are {len(given)}, not {len(expected)}"
                raise DanluError(f"{folder}: AutoTokenizer's ids of {text[:40]!r} {place}")


def load_strictly(transformers: ModuleType, folder: Path, family: Family) -> Any:
    """The transformers model, every weight of it from the folder."""
    auto = getattr(transformers, family.auto_class)
    model, found = auto.from_pretrained(folder, dtype=torch.float32, local_files_only=True, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if named := {str(name) for name in found[kind]} - family.unused:
            first = min(named)
            raise DanluError(f"{folder}: transformers reports {kind.replace('_', ' ')}, {first} among them")
    if type(model).__name__ != family.class_name:
        raise DanluError(f"{folder}: transformers loads a {type(model).__name__}, not a {family.class_name}")
    return model.eval()


def shown(tokenizer: TextTokenizer, text: str, objective: str, context: int) -> np.ndarray:
    """The ids of a text as the model is given them: framed, cut to the context, for a masked model partly masked."""
    before, after = frame(tokenizer, objective)
    ids = tokenizer.encode(text)[: max(0, context - len(before) - len(after))]
    return np.array([*before, *COVERED[objective](ids, tokenizer.vocabulary), *after], np.int64)[:context]


def masked(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """One id in `EVERY` replaced by the mask."""
    return np.where(np.arange(len(ids)) % EVERY == EVERY // 2, vocabulary.require_mask(), ids)


def with_sentinels(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """The same by sentinels, as many as there are."""
    shown = ids.copy()
    for at, sentinel in zip(range(EVERY // 2, len(ids), EVERY), vocabulary.sentinels, strict=False):
        shown[at] = sentinel
    return shown


def as_it_is(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    return ids


COVERED: dict[str, Callable[[np.ndarray, Vocabulary], np.ndarray]] = {
    "causal": as_it_is,
    "masked": masked,
    "replaced": as_it_is,
    "headless": as_it_is,
    "spans": with_sentinels,
    "denoising": masked,
}
ORDERS = {"causal": causal_order} | dict.fromkeys(("masked", "replaced", "headless", "spans", "denoising"), full_order)

OURS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "causal": lambda learner, hidden: learner.token_logits(hidden),
    "masked": lambda learner, hidden: learner.token_logits(learner.parts(hidden)),
    "replaced": lambda learner, hidden: learner.parts.detector(hidden),
    "headless": lambda learner, hidden: hidden,
    "spans": lambda learner, hidden: learner.token_logits(hidden),
    "denoising": lambda learner, hidden: learner.token_logits(hidden),
}
"""What is compared, from hidden states [T, width]."""

THEIRS = dict.fromkeys(OURS, "logits") | {"headless": "last_hidden_state"}


def stream_of(ids: np.ndarray, order: Callable[[int], np.ndarray]) -> Stream:
    return pack([{"text": [Seq({"token": ids}, order(len(ids)))]}], {"text": Fields()})["text"]


def own_values(learner: Learner, ids: np.ndarray, objective: str) -> Tensor:
    """[T, vocabulary] logits, [T] of a detector, or [T, width] hidden states, of one sequence; where there is a
    decoder, it is given the same one."""
    stream = stream_of(ids, ORDERS[objective])
    hidden = learner.hidden(stream)
    if learner.decoder is not None:
        hidden = learner.decode(stream_of(ids, causal_order), Memory(hidden, stream))
    return OURS[objective](learner, hidden)


@torch.no_grad()
def difference(ours: Learner, theirs: Any, ids: np.ndarray, objective: str) -> float:
    """The largest absolute difference of those of one sequence; NaN where any of them is."""
    row = torch.from_numpy(ids)[None]
    made = theirs(input_ids=row, **({} if ours.decoder is None else {"decoder_input_ids": row}))
    given = getattr(made, THEIRS[objective])[0]
    return float((own_values(ours, ids, objective) - given).abs().max())
