"""Compare an exported folder, loaded by transformers, with the network: logits, or hidden states without a head."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.architecture import Architecture
from danlu.architectures.network import Network
from danlu.architectures.presets import Family, family_of
from danlu.batch import ATTENTION_ORDERS, Memory, Seq, Stream, StreamSpec, causal_order
from danlu.errors import DanluError, WrongInput
from danlu.hf_heads import Head
from danlu.interop.blank_tokens import BLANKS
from danlu.interop.head_kinds import KINDS
from danlu.interop.model_folder import CONFIG, read_facts, read_json_object
from danlu.interop.quiet_transformers import quiet_transformers
from danlu.interop.submodels import extract
from danlu.interop.tokenizer_files import surrounding_tokens
from danlu.packing import pack
from danlu.tokens.tokenizer import TextTokenizer


def check_export(network: Network, tokenizer: TextTokenizer, folder: Path, texts: Sequence[str]) -> float:
    """Return the largest absolute difference of logits (of hidden states, without a head) over `texts`.

    The texts are compared one by one, in float32 on the CPU, for every model that the network's objective trains.

    Raises:
        DanluError: if transformers reads other ids, lacks a weight or returns logits that are not finite.
    """
    folder = Path(folder)
    if not texts:
        raise WrongInput(f"{folder}: there is no text to compare logits on")
    if not (folder / CONFIG).is_file():
        raise WrongInput(f"{folder} has no {CONFIG}: it is in danlu's native format, which transformers cannot load")
    parts = network.objective.submodels()
    if parts:
        architecture: Architecture = read_facts(folder).architecture
        inner = {name: extract(network, part, architecture).network for name, part in parts.items()}
        return max(compare_model(model, tokenizer, folder / name, texts) for name, model in inner.items())
    return compare_model(network, tokenizer, folder, texts)


def compare_model(network: Network, tokenizer: TextTokenizer, folder: Path, texts: Sequence[str]) -> float:
    """Compare one model with its folder."""
    config = read_json_object(folder / CONFIG)
    family = family_of(config, str(folder / CONFIG))
    context = family.settings_of(config).context
    ours = deepcopy(network).to("cpu", torch.float32).eval()
    with quiet_transformers() as transformers:
        check_tokens(transformers, tokenizer, folder, texts, family.head)
        theirs = load_strictly(transformers, folder, family)
        worst = 0.0
        for text in texts:
            ids = model_input(tokenizer, text, family.head, context)
            found = difference(ours, theirs, ids, family.head)
            if not math.isfinite(found):
                raise DanluError(f"{folder}: the logits of {text[:40]!r} are not finite")
            worst = max(worst, found)
    return worst


def check_tokens(
    transformers: ModuleType, tokenizer: TextTokenizer, folder: Path, texts: Sequence[str], head: Head
) -> None:
    """Raise DanluError if `AutoTokenizer` gives other ids than danlu, with or without special tokens."""
    # "<mask>" in a text is text to danlu, but a special token to transformers by default
    auto = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, split_special_tokens=True)
    before, after = surrounding_tokens(tokenizer, head)
    for text in texts:
        ids = tokenizer.encode(text).tolist()
        for special, expected in ((False, ids), (True, before + ids + after)):
            given = auto(text, add_special_tokens=special)["input_ids"]
            if given != expected:
                at = next((i for i, (a, b) in enumerate(zip(given, expected, strict=False)) if a != b), None)
                place = f"differ at token {at}" if at is not None else f"are {len(given)}, not {len(expected)}"
                raise DanluError(f"{folder}: AutoTokenizer's ids of {text[:40]!r} {place}")


def load_strictly(transformers: ModuleType, folder: Path, family: Family) -> Any:
    """Load the transformers model; raise DanluError if a weight is missing or unexpected."""
    auto = getattr(transformers, family.head.auto_class)
    model, found = auto.from_pretrained(folder, dtype=torch.float32, local_files_only=True, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if named := {str(name) for name in found[kind] if not family.ignores(str(name))}:
            first = min(named)
            raise DanluError(f"{folder}: transformers reports {kind.replace('_', ' ')}, {first} among them")
    if type(model).__name__ != family.class_name:
        raise DanluError(f"{folder}: transformers loads a {type(model).__name__}, not a {family.class_name}")
    return model.eval()


def model_input(tokenizer: TextTokenizer, text: str, head: Head, context: int) -> np.ndarray:
    """Return the ids of a text as the model reads them: with special tokens, truncated, with the blanks of its head."""
    before, after = surrounding_tokens(tokenizer, head)
    ids = tokenizer.encode(text)[: max(0, context - len(before) - len(after))]
    return np.array([*before, *BLANKS[head.blank].hide(ids, tokenizer.vocabulary), *after], np.int64)[:context]


def stream_of(ids: np.ndarray, key: np.ndarray, query: np.ndarray | None = None) -> Stream:
    return pack([{"text": [Seq({"token": ids}, key, query)]}], {"text": StreamSpec()})["text"]


def danlu_outputs(network: Network, ids: np.ndarray, head: Head) -> dict[str, Tensor]:
    """Return the outputs of danlu's network for one sequence, under their names in the transformers class.

    They are logits [T, vocabulary], [T] of a discriminator, [2] of a pair of texts, or hidden states. The input of a
    decoder is the same sequence.
    """
    stream = stream_of(ids, *ATTENTION_ORDERS[network.objective.reading_order](len(ids)))
    hidden = network.hidden(stream)
    if network.decoder is not None:
        hidden = network.decode(stream_of(ids, causal_order(len(ids))), Memory(hidden, stream))
    return {name: output(network, hidden) for name, output in KINDS[head.kind].outputs.items()}


@torch.no_grad()
def difference(ours: Network, theirs: Any, ids: np.ndarray, head: Head) -> float:
    """Return the largest absolute difference for one sequence; NaN if any value is NaN."""
    row = torch.from_numpy(ids)[None]
    outputs = theirs(input_ids=row, **({} if ours.decoder is None else {"decoder_input_ids": row}))
    differences = [(value - outputs[name][0]).abs().max() for name, value in danlu_outputs(ours, ids, head).items()]
    return float(torch.stack(differences).max())
