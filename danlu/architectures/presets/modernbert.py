"""ModernBERT (Warner et al. 2024): layer norms without bias, rotary positions, GeGLU, local and global attention."""

from __future__ import annotations

from typing import Any, Literal

from danlu.architecture import Architecture
from danlu.architectures.presets.encoder import without_head
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.layer_kinds import GLOBAL, LOCAL, kinds_of, period_of
from danlu.architectures.presets.requirements import (
    SIZES,
    expect,
    multi_head_mismatch,
    require,
    rope_theta,
    settings_mismatch,
    transformer,
)
from danlu.architectures.presets.weight_names import Weight, WeightNames, linear
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.hf_heads import MASKED_LM
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary

FIXED = {
    "norm": "layer",
    "qk_norm": False,
    "embedding_norm": True,
    "first_norm": False,
    "positions": "rotary",
    "gated": True,
    "activation": "gelu",
    "bias": False,
}

WINDOWS = frozenset({"window", "global_every", "local_theta"})

FIXED_FIELDS = {
    "hidden_activation": "gelu",
    "classifier_activation": "gelu",
    "norm_bias": False,
    "attention_bias": False,
    "mlp_bias": False,
    "classifier_bias": False,
}
"""Fields of config.json for which danlu supports one value only."""


@architectures.register
class ModernBert(Transformer):
    """ModernBERT (Warner et al. 2024): layer norms without bias, rotary positions, GeGLU, local and global attention.

    The published models have window 64, global_every 3, theta 160000 and local_theta 10000. The default is no window,
    since windows do not make short contexts faster.
    """

    name: Literal["modernbert"] = "modernbert"  # type: ignore[assignment]
    norm: Literal["rms", "layer"] = "layer"
    embedding_norm: bool = True
    first_norm: bool = False
    activation: Literal["gelu", "gelu_tanh", "silu", "relu", "relu2"] = "gelu"


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := settings_mismatch(settings, objective, MASKED_LM, FIXED, SIZES | WINDOWS | {"output_bias"}):
        return reason
    assert isinstance(settings, Transformer)
    return multi_head_mismatch(settings)


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    window = settings.window if settings.layers > 1 and settings.global_every > 1 else None
    kinds = kinds_of(settings.layers, settings.global_every if window else 1)
    thetas = {GLOBAL: settings.theta, LOCAL: settings.local_theta or settings.theta if window else settings.theta}
    return {
        "architectures": [FAMILY.class_name],
        "model_type": FAMILY.model_type,
        "dtype": dtype,
        "vocab_size": vocabulary.size,
        "hidden_size": settings.width,
        "intermediate_size": settings.ffn_width,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "max_position_embeddings": settings.context,
        "norm_eps": settings.epsilon,
        "layer_types": kinds,
        "rope_parameters": {kind: {"rope_type": "default", "rope_theta": base} for kind, base in thetas.items()},
        "local_attention": 2 * (window or settings.context),  # the window counts both sides
        # the next three fields are for transformers 4
        "global_attn_every_n_layers": settings.global_every if window else 1,
        "global_rope_theta": thetas[GLOBAL],
        "local_rope_theta": thetas[LOCAL],
        "tie_word_embeddings": settings.tied,
        **FIXED_FIELDS,
        "decoder_bias": settings.output_bias,
        "attention_dropout": 0.0,
        "embedding_dropout": 0.0,
        "mlp_dropout": 0.0,
        "bos_token_id": vocabulary.bos,
        "eos_token_id": vocabulary.eos,
        "cls_token_id": vocabulary.bos,
        "sep_token_id": vocabulary.eos,
        "pad_token_id": vocabulary.pad,
        "mask_token_id": vocabulary.mask,
    }


def names(settings: Transformer) -> WeightNames:
    """Return the weight names. Query, key and value share one matrix, and so do the gate and up projections."""
    table = [
        *linear("model.embeddings.tok_embeddings", "embeddings.token"),
        *linear("model.embeddings.norm", "backbone.embedding_norm"),
    ]
    for i in range(settings.layers):
        theirs, ours = f"model.layers.{i}", f"backbone.blocks.{i}"
        qkv = [f"{ours}.attention.{part}" for part in ("query", "key", "value")]
        gated = [f"{ours}.feed_forward.{part}" for part in ("gate", "up")]
        if i > 0:  # the first block has no attention norm
            table += linear(f"{theirs}.attn_norm", f"{ours}.attention_norm")
        table += linear(f"{theirs}.attn.Wqkv", *qkv, rows=(settings.width,) * 3)
        table += linear(f"{theirs}.attn.Wo", f"{ours}.attention.out")
        table += linear(f"{theirs}.mlp_norm", f"{ours}.feed_forward_norm")
        table += linear(f"{theirs}.mlp.Wi", *gated, rows=(settings.ffn_width,) * 2)
        table += linear(f"{theirs}.mlp.Wo", f"{ours}.feed_forward.down")
    table += linear("model.final_norm", "backbone.final_norm")
    table += [*linear("head.dense", "head.dense"), *linear("head.norm", "head.norm")]
    if not settings.tied:
        table += linear("decoder", "unembedding")
    if settings.output_bias:
        table.append(Weight("decoder.bias", ("output_bias",)))
    return tuple(table)


def settings_of(config: Config) -> Transformer:
    expect(config, FIXED_FIELDS)
    layers = require(config, "num_hidden_layers")
    window, global_every = windows(config, layers)
    return transformer(
        FIXED
        | {
            "layers": layers,
            "width": require(config, "hidden_size"),
            "heads": require(config, "num_attention_heads"),
            "ffn_dim": require(config, "intermediate_size"),
            "context": require(config, "max_position_embeddings"),
            "epsilon": require(config, "norm_eps"),
            "theta": theta(config, GLOBAL, "global_rope_theta", 160000.0),
            "local_theta": theta(config, LOCAL, "local_rope_theta", 10000.0) if window else None,
            "window": window,
            "global_every": global_every,
            "tied": config.get("tie_word_embeddings", True),
            "output_bias": config.get("decoder_bias", True),
        }
    )


def windows(config: Config, layers: int) -> tuple[int | None, int]:
    """Return `window` and `global_every` of a config."""
    given = config.get("global_attn_every_n_layers", 3)
    kinds = config.get("layer_types") or kinds_of(layers, given)
    if LOCAL not in kinds:
        return None, ModernBert.model_fields["global_every"].default
    if period := period_of(kinds, given):
        return config.get("local_attention", 128) // 2, period
    raise WrongInput("config.json: layer_types are irregular; danlu supports global attention in every n-th layer only")


def theta(config: Config, kind: str, older: str, default: float) -> float:
    """Return the base of the rotary angles in layers of that kind; `older` is the field of transformers 4."""
    rope = config.get("rope_parameters")
    return rope_theta(config, rope.get(kind) if isinstance(rope, dict) else rope, older, default)


FAMILY = Family(
    model_type="modernbert",
    prefix="model.",
    copies={"decoder.weight": "model.embeddings.tok_embeddings.weight"},
    class_name="ModernBertForMaskedLM",
    head=MASKED_LM,
    mismatch=mismatch,
    config=config,
    names=names,
    settings_of=settings_of,
)

HEAD = {"tie_word_embeddings": True, "classifier_activation": "gelu", "classifier_bias": False}

ENCODER = without_head(
    FAMILY, "ModernBertModel", "model.", head_config=HEAD, ignored=(r"head\.(dense|norm)\..*", r"decoder\..*")
)
