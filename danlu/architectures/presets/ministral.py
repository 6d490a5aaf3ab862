"""Ministral (Mistral AI 2024): Llama with sliding windows in all but every n-th layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from danlu.architecture import Architecture
from danlu.architectures.presets import llama
from danlu.architectures.presets.family import Config
from danlu.architectures.presets.layer_kinds import (
    WINDOWS,
    causal_window,
    window_config,
    window_mismatch,
    window_settings,
)
from danlu.architectures.presets.requirements import SIZES, settings_mismatch, transformer
from danlu.architectures.transformer import Transformer
from danlu.hf_heads import CAUSAL_LM
from danlu.objective import Objective
from danlu.tokens.vocabulary import Vocabulary

FIXED = llama.FIXED | {"bias": False}


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := settings_mismatch(settings, objective, CAUSAL_LM, FIXED, SIZES | WINDOWS | {"local_theta"}):
        return reason
    assert isinstance(settings, Transformer)
    if causal_window(settings) is None:
        return "set window and global_every so that at least one layer has a window"
    return window_mismatch(settings)


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    class_fields = {"architectures": [FAMILY.class_name], "model_type": FAMILY.model_type}
    return class_fields | llama.decoder_config(settings, vocabulary, dtype) | window_config(settings)


def settings_of(config: Config) -> Transformer:
    sizes = llama.decoder_sizes(config) | {"head_dim": config.get("head_dim")}
    return transformer(FIXED | sizes | window_settings(config))


FAMILY = replace(
    llama.FAMILY,
    model_type="ministral",
    class_name="MinistralForCausalLM",
    mismatch=mismatch,
    config=config,
    settings_of=settings_of,
)
