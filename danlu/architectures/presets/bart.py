"""BART (Lewis et al. 2020): an encoder-decoder with the layers of BERT and separate learned positions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import NonNegativeInt

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
from danlu.architectures.presets.weight_names import Weight, WeightNames, linear
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.hf_heads import SEQ2SEQ_LM_OF_MASKS
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary

OFFSET = 2
"""Row of position 0 in BART's position embeddings."""

FIXED = {
    "norm": "layer",
    "norm_bias": True,
    "epsilon": 1e-5,
    "post_norm": True,
    "embedding_norm": True,
    "positions": "learned",
    "position_offset": OFFSET,
    "gated": False,
    "activation": "gelu",
    "bias": True,
    "tied": True,
    "output_bias": True,
    "shared_embeddings": True,
}

FREE = SIZES - {"theta", "epsilon", "tied", "shared_embeddings"} | {"scaled_embeddings"}

FIXED_FIELDS = {"activation_function": "gelu", "is_encoder_decoder": True, "tie_word_embeddings": True}
"""Fields of config.json for which danlu supports one value only."""


@architectures.register
class Bart(Transformer):
    """BART (Lewis et al. 2020): an encoder-decoder with the layers of BERT and separate learned positions."""

    name: Literal["bart"] = "bart"  # type: ignore[assignment]
    epsilon: float = 1e-5
    norm: Literal["rms", "layer"] = "layer"
    norm_bias: bool = True
    post_norm: bool = True
    embedding_norm: bool = True
    positions: Literal["rotary", "learned", "relative"] = "learned"
    position_offset: NonNegativeInt = OFFSET
    gated: bool = False
    activation: Literal["gelu", "gelu_tanh", "silu", "relu", "relu2"] = "gelu"
    bias: bool = True
    output_bias: bool = True


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := settings_mismatch(settings, objective, SEQ2SEQ_LM_OF_MASKS, FIXED, FREE):
        return reason
    assert isinstance(settings, Transformer)
    return multi_head_mismatch(settings)


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    sides = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("ffn_dim", settings.ffn_width), ("attention_heads", settings.heads), ("layerdrop", 0.0))
    }
    return {
        "architectures": [FAMILY.class_name],
        "model_type": FAMILY.model_type,
        "dtype": dtype,
        "vocab_size": vocabulary.size,
        "d_model": settings.width,
        "encoder_layers": settings.layers,
        "decoder_layers": settings.decoder_layers or settings.layers,
        **sides,
        "max_position_embeddings": settings.context,
        "scale_embedding": settings.scaled_embeddings,
        **FIXED_FIELDS,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "bos_token_id": vocabulary.bos,
        "eos_token_id": vocabulary.eos,
        "pad_token_id": vocabulary.pad,
        "decoder_start_token_id": vocabulary.eos,
        "forced_eos_token_id": None,
    }


def names(settings: Transformer) -> WeightNames:
    table = [*linear("model.shared", "embeddings.token"), Weight("final_logits_bias", ("output_bias",), as_row=True)]
    sides = (
        ("model.encoder", "backbone", "embeddings", settings.layers),
        ("model.decoder", "decoder", "decoder_embeddings", settings.decoder_layers or settings.layers),
    )
    for theirs, ours, tables, layers in sides:
        table += linear(f"{theirs}.embed_positions", f"{tables}.position")
        table += linear(f"{theirs}.layernorm_embedding", f"{ours}.embedding_norm", bias=True)
        for i in range(layers):
            table += block_names(f"{theirs}.layers.{i}", f"{ours}.blocks.{i}", ours == "decoder")
    return tuple(table)


def block_names(theirs: str, ours: str, cross: bool) -> WeightNames:
    """Return the weight names of one block; with `cross` including cross-attention."""
    table: list = []
    for hf_name, our_name in [("self_attn", "attention")] + [("encoder_attn", "cross")] * cross:
        for part, name in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"), ("out", "out_proj")):
            table += linear(f"{theirs}.{hf_name}.{name}", f"{ours}.{our_name}.{part}", bias=True)
        table += linear(f"{theirs}.{hf_name}_layer_norm", f"{ours}.{our_name}_norm", bias=True)
    table += linear(f"{theirs}.fc1", f"{ours}.feed_forward.up", bias=True)
    table += linear(f"{theirs}.fc2", f"{ours}.feed_forward.down", bias=True)
    return (*table, *linear(f"{theirs}.final_layer_norm", f"{ours}.feed_forward_norm", bias=True))


def settings_of(config: Config) -> Transformer:
    expect(config, FIXED_FIELDS)
    for name in ("ffn_dim", "attention_heads"):
        encoder, decoder = (require(config, f"{side}_{name}") for side in ("encoder", "decoder"))
        if encoder != decoder:
            raise WrongInput(
                f"config.json: encoder_{name} is {encoder} and decoder_{name} {decoder}; "
                "danlu supports equal values only"
            )
    return transformer(
        FIXED
        | {
            "layers": require(config, "encoder_layers"),
            "decoder_layers": require(config, "decoder_layers"),
            "width": require(config, "d_model"),
            "heads": require(config, "encoder_attention_heads"),
            "ffn_dim": require(config, "encoder_ffn_dim"),
            "context": require(config, "max_position_embeddings"),
            "scaled_embeddings": config.get("scale_embedding", False),
        }
    )


FAMILY = Family(
    model_type="bart",
    prefix="model.",
    ignored=(r"(model\.)?(encoder|decoder)\.version",),
    copies={
        "lm_head.weight": "model.shared.weight",
        "model.encoder.embed_tokens.weight": "model.shared.weight",
        "model.decoder.embed_tokens.weight": "model.shared.weight",
    },
    class_name="BartForConditionalGeneration",
    head=SEQ2SEQ_LM_OF_MASKS,
    mismatch=mismatch,
    config=config,
    names=names,
    settings_of=settings_of,
)
