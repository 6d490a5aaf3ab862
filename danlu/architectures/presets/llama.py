"""Llama (Touvron et al. 2023): RMS norms, rotary positions, SwiGLU; grouped-query attention as in Llama 2 and 3."""

from __future__ import annotations

from typing import Any, Literal

from danlu.architecture import Architecture
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.requirements import SIZES, expect, require, rope_theta, settings_mismatch, transformer
from danlu.architectures.presets.weight_names import WeightNames, linear
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.hf_heads import CAUSAL_LM
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary

FIXED = {
    "norm": "rms",
    "qk_norm": False,
    "embedding_norm": False,
    "first_norm": True,
    "positions": "rotary",
    "gated": True,
    "activation": "silu",
}


@architectures.register
class Llama(Transformer):
    """Llama (Touvron et al. 2023): RMS norms, rotary positions and SwiGLU, the defaults of the Transformer."""

    name: Literal["llama"] = "llama"  # type: ignore[assignment]


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := settings_mismatch(settings, objective, CAUSAL_LM, FIXED, SIZES | {"bias"}):
        return reason
    assert isinstance(settings, Transformer)
    if settings.width % settings.heads:  # LlamaConfig refuses it even if head_dim is set
        return f"set width to a multiple of heads (currently {settings.width} and {settings.heads})"
    return None


def decoder_config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    """Return the fields that the configs of Llama and its descendants have in common."""
    return {
        "dtype": dtype,
        "vocab_size": vocabulary.size,
        "hidden_size": settings.width,
        "intermediate_size": settings.ffn_width,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "num_key_value_heads": settings.num_kv_heads,
        "head_dim": settings.head_size,
        "hidden_act": settings.activation,
        "max_position_embeddings": settings.context,
        "rms_norm_eps": settings.epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": settings.theta},
        "rope_theta": settings.theta,  # for transformers 4
        "tie_word_embeddings": settings.tied,
        "attention_bias": settings.bias,
        "attention_dropout": 0.0,
        "bos_token_id": vocabulary.bos,
        "eos_token_id": vocabulary.eos,
        "pad_token_id": vocabulary.pad,
    }


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    class_fields = {"architectures": [FAMILY.class_name], "model_type": FAMILY.model_type, "mlp_bias": settings.bias}
    return class_fields | decoder_config(settings, vocabulary, dtype)


def names(settings: Transformer) -> WeightNames:
    """Return the weight names of Llama and its descendants."""
    bias = settings.bias
    table = [*linear("model.embed_tokens", "embeddings.token")]
    for i in range(settings.layers):
        theirs, ours = f"model.layers.{i}", f"backbone.blocks.{i}"
        table += linear(f"{theirs}.input_layernorm", f"{ours}.attention_norm")
        table += linear(f"{theirs}.self_attn.q_proj", f"{ours}.attention.query", bias=bias)
        table += linear(f"{theirs}.self_attn.k_proj", f"{ours}.attention.key", bias=bias)
        table += linear(f"{theirs}.self_attn.v_proj", f"{ours}.attention.value", bias=bias)
        table += linear(f"{theirs}.self_attn.o_proj", f"{ours}.attention.out", bias=bias)
        table += linear(f"{theirs}.post_attention_layernorm", f"{ours}.feed_forward_norm")
        table += linear(f"{theirs}.mlp.gate_proj", f"{ours}.feed_forward.gate", bias=bias)
        table += linear(f"{theirs}.mlp.up_proj", f"{ours}.feed_forward.up", bias=bias)
        table += linear(f"{theirs}.mlp.down_proj", f"{ours}.feed_forward.down", bias=bias)
    table += linear("model.norm", "backbone.final_norm")
    if not settings.tied:
        table += linear("lm_head", "unembedding")
    return tuple(table)


def decoder_sizes(config: Config) -> dict[str, Any]:
    """Return the settings that the configs of Llama and its descendants have in common."""
    expect(config, {"hidden_act": "silu"})
    return {
        "layers": require(config, "num_hidden_layers"),
        "width": require(config, "hidden_size"),
        "heads": require(config, "num_attention_heads"),
        "kv_heads": config.get("num_key_value_heads"),
        "ffn_dim": require(config, "intermediate_size"),
        "context": require(config, "max_position_embeddings"),
        "epsilon": require(config, "rms_norm_eps"),
        "theta": rope_theta(config, config.get("rope_parameters"), "rope_theta", 10000.0),
        "tied": config.get("tie_word_embeddings", False),
    }


def settings_of(config: Config) -> Transformer:
    biases = config.get("attention_bias", False), config.get("mlp_bias", False)
    if biases[0] != biases[1]:
        raise WrongInput("config.json: one of attention_bias and mlp_bias is set; danlu supports both or neither")
    return transformer(
        FIXED | decoder_sizes(config) | {"head_dim": config.get("head_dim"), "bias": biases[0]},
    )


FAMILY = Family(
    model_type="llama",
    prefix="model.",
    ignored=(r"(model\.)?(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq",),
    copies={"lm_head.weight": "model.embed_tokens.weight"},
    class_name="LlamaForCausalLM",
    head=CAUSAL_LM,
    mismatch=mismatch,
    config=config,
    names=names,
    settings_of=settings_of,
)
