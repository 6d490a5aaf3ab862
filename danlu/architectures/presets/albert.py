"""ALBERT (Lan et al. 2020): BERT with narrow embeddings and shared layers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import PositiveInt

from danlu.architecture import Architecture
from danlu.architectures.presets.bert import (
    FIXED_FIELDS,
    Bert,
    embedding_names,
    encoder_config,
    encoder_sizes,
    post_norm_mismatch,
)
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.requirements import require, transformer
from danlu.architectures.presets.weight_names import Weight, WeightNames, linear
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput, nearest
from danlu.hf_heads import MASKED_LM
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary

ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new"}
"""{name in danlu: name in transformers}."""

FREE = frozenset({"segments", "embedding_width", "shared_layers", "activation"})
EXACT = {name: value for name, value in FIXED_FIELDS.items() if name != "hidden_act"}


@architectures.register
class Albert(Bert):
    """ALBERT (Lan et al. 2020): BERT with narrow embeddings and shared layers."""

    name: Literal["albert"] = "albert"  # type: ignore[assignment]
    embedding_width: PositiveInt | None = 128
    shared_layers: PositiveInt | None = 1
    activation: Literal["gelu", "gelu_tanh", "silu", "relu", "relu2"] = "gelu_tanh"


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := post_norm_mismatch(settings, objective, FREE):
        return reason
    assert isinstance(settings, Transformer)
    if settings.activation not in ACTIVATIONS:
        return f"set activation: gelu or gelu_tanh (currently {settings.activation})"
    if settings.embedding_width is None:
        return f"set embedding_width: {settings.width} or another width (currently null)"
    return None if settings.shared_layers else f"set shared_layers: {settings.layers} or fewer (currently null)"


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    return {
        "architectures": [FAMILY.class_name],
        "model_type": FAMILY.model_type,
        **encoder_config(settings, vocabulary, dtype),
        "hidden_act": ACTIVATIONS[settings.activation],
        "embedding_size": settings.embedding_width,
        "num_hidden_groups": len(set(settings.block_indices)),
        "inner_group_num": 1,
    }


def names(settings: Transformer) -> WeightNames:
    """Return the weight names. All layers of a group share the weights of one block."""
    table = [
        *embedding_names("albert."),
        *linear("albert.encoder.embedding_hidden_mapping_in", "backbone.embedding_map", bias=True),
    ]
    for i in sorted(set(settings.block_indices)):
        theirs, ours = f"albert.encoder.albert_layer_groups.{i}.albert_layers.0", f"backbone.blocks.{i}"
        for part in ("query", "key", "value"):
            table += linear(f"{theirs}.attention.{part}", f"{ours}.attention.{part}", bias=True)
        table += linear(f"{theirs}.attention.dense", f"{ours}.attention.out", bias=True)
        table += linear(f"{theirs}.attention.LayerNorm", f"{ours}.attention_norm", bias=True)
        table += linear(f"{theirs}.ffn", f"{ours}.feed_forward.up", bias=True)
        table += linear(f"{theirs}.ffn_output", f"{ours}.feed_forward.down", bias=True)
        table += linear(f"{theirs}.full_layer_layer_norm", f"{ours}.feed_forward_norm", bias=True)
    table += linear("predictions.dense", "head.dense", bias=True)
    table += linear("predictions.LayerNorm", "head.norm", bias=True)
    return (*table, Weight("predictions.bias", ("output_bias",)))


def settings_of(config: Config) -> Transformer:
    activations = {theirs: ours for ours, theirs in ACTIVATIONS.items()} | {"gelu_pytorch_tanh": "gelu_tanh"}
    given = config.get("hidden_act", "gelu_new")
    if given not in activations:
        raise WrongInput(f"config.json: hidden_act {given!r} is not supported; {nearest(given, activations)}")
    return transformer(
        encoder_sizes(config, EXACT | {"inner_group_num": 1})
        | {
            "context": require(config, "max_position_embeddings"),
            "embedding_width": require(config, "embedding_size"),
            "shared_layers": require(config, "num_hidden_groups"),
            "activation": activations[given],
        }
    )


FAMILY = Family(
    model_type="albert",
    prefix="albert.",
    ignored=(
        r"(albert\.)?pooler\.(weight|bias)",
        r"(albert\.)?embeddings\.position_ids",
        r"sop_classifier\.classifier\.(weight|bias)",
    ),
    copies={
        "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
        "predictions.decoder.bias": "predictions.bias",
    },
    class_name="AlbertForMaskedLM",
    head=MASKED_LM,
    mismatch=mismatch,
    config=config,
    names=names,
    settings_of=settings_of,
)
