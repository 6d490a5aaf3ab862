"""GPT-2 (Radford et al. 2019): layer norms with bias, learned positions, tanh GELU, biases everywhere."""

from __future__ import annotations

from typing import Any, Literal

from danlu.architecture import Architecture
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.requirements import (
    SIZES,
    expect,
    multi_head_mismatch,
    require,
    settings_mismatch,
    transformer,
)
from danlu.architectures.presets.weight_names import WeightNames, linear
from danlu.architectures.transformer import Transformer
from danlu.hf_heads import CAUSAL_LM
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary

FIXED = {
    "norm": "layer",
    "norm_bias": True,
    "positions": "learned",
    "gated": False,
    "activation": "gelu_tanh",
    "bias": True,
}

FIXED_FIELDS = {
    "activation_function": "gelu_new",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
"""Fields of config.json for which danlu supports one value only."""


@architectures.register
class Gpt2(Transformer):
    """GPT-2 (Radford et al. 2019): layer norms with bias, learned positions, tanh GELU, biases everywhere."""

    name: Literal["gpt2"] = "gpt2"  # type: ignore[assignment]
    epsilon: float = 1e-5
    norm: Literal["rms", "layer"] = "layer"
    norm_bias: bool = True
    positions: Literal["rotary", "learned", "relative"] = "learned"
    gated: bool = False
    activation: Literal["gelu", "gelu_tanh", "silu", "relu", "relu2"] = "gelu_tanh"
    bias: bool = True


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := settings_mismatch(settings, objective, CAUSAL_LM, FIXED, SIZES - {"theta"}):
        return reason
    assert isinstance(settings, Transformer)
    return multi_head_mismatch(settings)


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    return {
        "architectures": [FAMILY.class_name],
        "model_type": FAMILY.model_type,
        "dtype": dtype,
        "vocab_size": vocabulary.size,
        "n_embd": settings.width,
        "n_inner": settings.ffn_width,
        "n_layer": settings.layers,
        "n_head": settings.heads,
        "n_positions": settings.context,
        "layer_norm_epsilon": settings.epsilon,
        "tie_word_embeddings": settings.tied,
        **FIXED_FIELDS,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "bos_token_id": vocabulary.bos,
        "eos_token_id": vocabulary.eos,
        "pad_token_id": vocabulary.pad,
    }


def names(settings: Transformer) -> WeightNames:
    """Return the weight names. Matrices are stored as [inputs, outputs]; query, key and value share one matrix."""
    table = [
        *linear("transformer.wte", "embeddings.token"),
        *linear("transformer.wpe", "embeddings.position"),
    ]
    for i in range(settings.layers):
        theirs, ours = f"transformer.h.{i}", f"backbone.blocks.{i}"
        qkv = [f"{ours}.attention.{part}" for part in ("query", "key", "value")]
        table += linear(f"{theirs}.ln_1", f"{ours}.attention_norm", bias=True)
        table += linear(f"{theirs}.attn.c_attn", *qkv, rows=(settings.width,) * 3, bias=True, transposed=True)
        table += linear(f"{theirs}.attn.c_proj", f"{ours}.attention.out", bias=True, transposed=True)
        table += linear(f"{theirs}.ln_2", f"{ours}.feed_forward_norm", bias=True)
        table += linear(f"{theirs}.mlp.c_fc", f"{ours}.feed_forward.up", bias=True, transposed=True)
        table += linear(f"{theirs}.mlp.c_proj", f"{ours}.feed_forward.down", bias=True, transposed=True)
    table += linear("transformer.ln_f", "backbone.final_norm", bias=True)
    if not settings.tied:
        table += linear("lm_head", "unembedding")
    return tuple(table)


def settings_of(config: Config) -> Transformer:
    expect(config, FIXED_FIELDS)
    return transformer(
        FIXED
        | {
            "layers": require(config, "n_layer"),
            "width": require(config, "n_embd"),
            "heads": require(config, "n_head"),
            "ffn_dim": config.get("n_inner"),
            "context": require(config, "n_positions"),
            "epsilon": config.get("layer_norm_epsilon", 1e-5),
            "tied": config.get("tie_word_embeddings", True),
        }
    )


FAMILY = Family(
    model_type="gpt2",
    prefix="transformer.",
    ignored=(r"(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)",),  # buffers of the causal mask
    copies={"lm_head.weight": "transformer.wte.weight"},
    class_name="GPT2LMHeadModel",
    head=CAUSAL_LM,
    mismatch=mismatch,
    config=config,
    names=names,
    settings_of=settings_of,
)
