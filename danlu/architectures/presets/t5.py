"""T5 (Raffel et al. 2020): an encoder-decoder with relative positions, RMS norms, unscaled attention and no biases.

The defaults are those of version 1.1: gated GELU and an untied head. Version 1.0 has ReLU and a tied head, and divides
hidden states by sqrt(width) before the head: `gated: false, activation: relu, tied: true, scaled_head: true`.
"""

from __future__ import annotations

from typing import Any, Literal

from danlu.architecture import Architecture
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.requirements import SIZES, expect, require, settings_mismatch, transformer
from danlu.architectures.presets.weight_names import WeightNames, linear
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.hf_heads import SEQ2SEQ_LM_OF_SENTINELS
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary

FIXED = {
    "norm": "rms",
    "positions": "relative",
    "scaled_attention": False,
    "bias": False,
    "shared_embeddings": True,
}

T5_SETTINGS = frozenset({"relative_buckets", "max_relative_distance", "gated", "activation", "scaled_head"})

FREE = SIZES - {"kv_heads", "theta", "shared_embeddings"} | T5_SETTINGS

ACTIVATIONS = {"gelu_tanh": "gelu_new", "gelu": "gelu", "relu": "relu", "silu": "silu"}
"""{name in danlu: name in transformers}. As `feed_forward_proj`, "gated-gelu" means gelu_new."""

CONTEXT = 512
"""Context that T5 was trained with. Published configs have no such field; danlu writes it as `n_positions`."""


@architectures.register
class T5(Transformer):
    """T5 1.1 (Raffel et al. 2020): an encoder-decoder with relative positions and gated GELU."""

    name: Literal["t5"] = "t5"  # type: ignore[assignment]
    positions: Literal["rotary", "learned", "relative"] = "relative"
    scaled_attention: bool = False
    activation: Literal["gelu", "gelu_tanh", "silu", "relu", "relu2"] = "gelu_tanh"
    tied: bool = False


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := settings_mismatch(settings, objective, SEQ2SEQ_LM_OF_SENTINELS, FIXED, FREE):
        return reason
    assert isinstance(settings, Transformer)
    if settings.num_kv_heads != settings.heads:
        return f"set kv_heads: {settings.heads}, the number of heads (currently {settings.num_kv_heads})"
    if settings.scaled_head and not settings.tied:
        return "set scaled_head: false, since tied is false"
    if settings.gated and settings.activation == "gelu":
        return "set activation: gelu_tanh, since gated is true (currently gelu)"
    if settings.activation not in ACTIVATIONS:
        return f"set activation: {' or '.join(ACTIVATIONS)} (currently {settings.activation})"
    return None


def feed_forward_kind(settings: Transformer) -> str:
    """Return the value of the field `feed_forward_proj`."""
    if not settings.gated:
        return ACTIVATIONS[settings.activation]
    return "gated-gelu" if settings.activation == "gelu_tanh" else f"gated-{ACTIVATIONS[settings.activation]}"


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    return {
        "architectures": [FAMILY.class_name],
        "model_type": FAMILY.model_type,
        "dtype": dtype,
        "vocab_size": vocabulary.size,
        "d_model": settings.width,
        "d_kv": settings.head_size,
        "d_ff": settings.ffn_width,
        "num_layers": settings.layers,
        "num_decoder_layers": settings.decoder_layers or settings.layers,
        "num_heads": settings.heads,
        "relative_attention_num_buckets": settings.relative_buckets,
        "relative_attention_max_distance": settings.max_relative_distance,
        "layer_norm_epsilon": settings.epsilon,
        "feed_forward_proj": feed_forward_kind(settings),
        "n_positions": settings.context,
        "tie_word_embeddings": settings.tied,
        "scale_decoder_outputs": settings.scaled_head,
        "is_encoder_decoder": True,
        "dropout_rate": 0.0,
        "eos_token_id": vocabulary.eos,
        "pad_token_id": vocabulary.pad,
        "decoder_start_token_id": vocabulary.pad,
    }


def names(settings: Transformer) -> WeightNames:
    table = [*linear("shared", "embeddings.token")]
    decoder_layers = settings.decoder_layers or settings.layers
    for theirs, ours, layers in (("encoder", "backbone", settings.layers), ("decoder", "decoder", decoder_layers)):
        for i in range(layers):
            table += block_names(settings, f"{theirs}.block.{i}.layer", f"{ours}.blocks.{i}", ours == "decoder")
        bias = f"{theirs}.block.0.layer.0.SelfAttention.relative_attention_bias"
        table += linear(bias, f"{ours}.relative.table")
        table += linear(f"{theirs}.final_layer_norm", f"{ours}.final_norm")
    if not settings.tied:
        table += linear("lm_head", "unembedding")
    return tuple(table)


def block_names(settings: Transformer, theirs: str, ours: str, cross: bool) -> WeightNames:
    """Return the weight names of one block; with `cross` including cross-attention."""
    table: list = []
    sublayers = [("SelfAttention", "attention")] + [("EncDecAttention", "cross")] * cross
    for k, (hf_name, our_name) in enumerate(sublayers):
        for part, name in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "o")):
            table += linear(f"{theirs}.{k}.{hf_name}.{name}", f"{ours}.{our_name}.{part}")
        table += linear(f"{theirs}.{k}.layer_norm", f"{ours}.{our_name}_norm")
    last = f"{theirs}.{len(sublayers)}"
    maps = [("wi_0", "gate"), ("wi_1", "up")] if settings.gated else [("wi", "up")]
    for name, part in (*maps, ("wo", "down")):
        table += linear(f"{last}.DenseReluDense.{name}", f"{ours}.feed_forward.{part}")
    return (*table, *linear(f"{last}.layer_norm", f"{ours}.feed_forward_norm"))


def settings_of(config: Config) -> Transformer:
    expect(config, {"is_encoder_decoder": True})
    kind = config.get("feed_forward_proj", "relu")
    gated, _, activation = kind.rpartition("-")
    if kind == "gated-gelu":
        activation = "gelu_new"
    ours = {theirs: name for name, theirs in ACTIVATIONS.items()}
    if gated not in ("", "gated") or activation not in ours:
        raise WrongInput(f"config.json: feed_forward_proj is {kind!r}; danlu supports {', '.join(ours)}, gated or not")
    scaled = config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True))
    return transformer(
        FIXED
        | {
            "layers": require(config, "num_layers"),
            "decoder_layers": config.get("num_decoder_layers"),
            "width": require(config, "d_model"),
            "heads": require(config, "num_heads"),
            "head_dim": require(config, "d_kv"),
            "ffn_dim": require(config, "d_ff"),
            "context": config.get("n_positions", CONTEXT),
            "epsilon": config.get("layer_norm_epsilon", 1e-6),
            "relative_buckets": config.get("relative_attention_num_buckets", 32),
            "max_relative_distance": config.get("relative_attention_max_distance", 128),
            "gated": gated == "gated",
            "activation": ours[activation],
            "tied": scaled,
            "scaled_head": scaled,
        }
    )


def settings_by_weights(settings: Transformer, names: frozenset[str]) -> Transformer:
    """Tie the output layer if the file has no `lm_head.weight`, as in version 1.1 models saved by transformers 5."""
    return settings.model_copy(update={"tied": settings.scaled_head or (bool(names) and "lm_head.weight" not in names)})


FAMILY = Family(
    model_type="t5",
    ignored=(r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",),  # never used
    copies={
        "lm_head.weight": "shared.weight",
        "encoder.embed_tokens.weight": "shared.weight",
        "decoder.embed_tokens.weight": "shared.weight",
    },
    settings_by_weights=settings_by_weights,
    class_name="T5ForConditionalGeneration",
    head=SEQ2SEQ_LM_OF_SENTINELS,
    mismatch=mismatch,
    config=config,
    names=names,
    settings_of=settings_of,
)
