"""Qwen3 (Yang et al. 2025): Llama with an RMS norm on the queries and keys of each head."""

from __future__ import annotations

from typing import Any, Literal

from danlu.architecture import Architecture
from danlu.architectures.presets import llama
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.layer_kinds import (
    WINDOWS,
    causal_window,
    window_config,
    window_mismatch,
    window_settings,
)
from danlu.architectures.presets.requirements import SIZES, expect, settings_mismatch, transformer
from danlu.architectures.presets.weight_names import WeightNames, linear
from danlu.architectures.transformer import Transformer
from danlu.hf_heads import CAUSAL_LM
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary

FIXED = llama.FIXED | {"qk_norm": True, "bias": False}

FIXED_FIELDS = {"attention_bias": False}
"""Fields of config.json for which danlu supports one value only."""


@architectures.register
class Qwen3(Transformer):
    """Qwen3 (Yang et al. 2025): Llama with an RMS norm on the queries and keys of each head."""

    name: Literal["qwen3"] = "qwen3"  # type: ignore[assignment]
    qk_norm: bool = True


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := settings_mismatch(settings, objective, CAUSAL_LM, FIXED, SIZES | WINDOWS | {"local_theta"}):
        return reason
    assert isinstance(settings, Transformer)
    return window_mismatch(settings)


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    class_fields = {"architectures": [FAMILY.class_name], "model_type": FAMILY.model_type}
    return class_fields | llama.decoder_config(settings, vocabulary, dtype) | FIXED_FIELDS | window_fields(settings)


def window_fields(settings: Transformer) -> dict[str, Any]:
    """Return the fields of config.json about windows."""
    if causal_window(settings) is None:
        return {"use_sliding_window": False}
    return {"use_sliding_window": True, "max_window_layers": 0} | window_config(settings)


def names(settings: Transformer) -> WeightNames:
    head_norms: list = []
    for i in range(settings.layers):
        theirs, ours = f"model.layers.{i}.self_attn", f"backbone.blocks.{i}.attention"
        head_norms += linear(f"{theirs}.q_norm", f"{ours}.query_norm")
        head_norms += linear(f"{theirs}.k_norm", f"{ours}.key_norm")
    return (*llama.names(settings), *head_norms)


def settings_of(config: Config) -> Transformer:
    expect(config, FIXED_FIELDS)
    windows = window_settings(config) if config.get("use_sliding_window", False) else {}
    return transformer(FIXED | llama.decoder_sizes(config) | windows | {"head_dim": config.get("head_dim", 128)})


FAMILY = Family(
    model_type="qwen3",
    prefix="model.",
    ignored=(r"(model\.)?(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq",),
    copies={"lm_head.weight": "model.embed_tokens.weight"},
    class_name="Qwen3ForCausalLM",
    head=CAUSAL_LM,
    mismatch=mismatch,
    config=config,
    names=names,
    settings_of=settings_of,
)
