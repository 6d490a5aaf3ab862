"""BERT (Devlin et al. 2019): post-norm, learned positions, segments, GELU, biases everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import NonNegativeInt

from danlu.architecture import Architecture
from danlu.architectures.presets.encoder import without_head
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
from danlu.hf_heads import MASKED_LM, MASKED_LM_AND_NEXT_SENTENCE, Head
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary

FIXED: Mapping[str, Any] = {
    "norm": "layer",
    "norm_bias": True,
    "post_norm": True,
    "embedding_norm": True,
    "positions": "learned",
    "gated": False,
    "activation": "gelu",
    "bias": True,
    "output_bias": True,
    "tied": True,
}

FIXED_FIELDS = {"hidden_act": "gelu", "is_decoder": False, "add_cross_attention": False}
"""Fields of config.json for which danlu supports one value only."""


@architectures.register
class Bert(Transformer):
    """BERT (Devlin et al. 2019): post-norm, learned positions, segments, GELU, biases everywhere."""

    name: Literal["bert"] = "bert"  # type: ignore[assignment]
    epsilon: float = 1e-12
    norm: Literal["rms", "layer"] = "layer"
    norm_bias: bool = True
    post_norm: bool = True
    embedding_norm: bool = True
    positions: Literal["rotary", "learned", "relative"] = "learned"
    segments: NonNegativeInt = 2
    gated: bool = False
    activation: Literal["gelu", "gelu_tanh", "silu", "relu", "relu2"] = "gelu"
    bias: bool = True
    output_bias: bool = True


def post_norm_mismatch(
    settings: Architecture, objective: Objective, free: frozenset[str], head: Head = MASKED_LM
) -> str | None:
    """Return which setting to change for BERT or one of its descendants; None if the settings match."""
    if reason := settings_mismatch(settings, objective, head, FIXED, SIZES - {"theta", "tied"} | free):
        return reason
    assert isinstance(settings, Transformer)
    if not settings.segments:
        return "set segments: 1 or more (currently 0)"
    return multi_head_mismatch(settings)


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    return post_norm_mismatch(settings, objective, frozenset({"segments"}))


def encoder_config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    """Return the fields that the configs of BERT and its descendants have in common."""
    return {
        "dtype": dtype,
        "vocab_size": vocabulary.size,
        "hidden_size": settings.width,
        "intermediate_size": settings.ffn_width,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "max_position_embeddings": settings.context + settings.position_offset,
        "type_vocab_size": settings.segments,
        "layer_norm_eps": settings.epsilon,
        "tie_word_embeddings": True,
        **FIXED_FIELDS,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "bos_token_id": vocabulary.bos,
        "eos_token_id": vocabulary.eos,
        "pad_token_id": vocabulary.pad,
    }


def pretraining_mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := post_norm_mismatch(settings, objective, frozenset({"segments"}), MASKED_LM_AND_NEXT_SENTENCE):
        return reason
    assert isinstance(settings, Transformer)
    return None if settings.segments > 1 else "set segments: 2 or more, one for each text of a pair (currently 1)"


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    class_fields = {"architectures": [FAMILY.class_name], "model_type": FAMILY.model_type}
    return class_fields | encoder_config(settings, vocabulary, dtype)


def embedding_names(prefix: str) -> WeightNames:
    """Return the weight names of the embeddings of BERT or one of its descendants, which differ in the prefix."""
    return (
        *linear(f"{prefix}embeddings.word_embeddings", "embeddings.token"),
        *linear(f"{prefix}embeddings.position_embeddings", "embeddings.position"),
        *linear(f"{prefix}embeddings.token_type_embeddings", "embeddings.segment"),
        *linear(f"{prefix}embeddings.LayerNorm", "backbone.embedding_norm", bias=True),
    )


def body_names(settings: Transformer, prefix: str) -> WeightNames:
    """Return the weight names of embeddings and layers."""
    table = list(embedding_names(prefix))
    for i in range(settings.layers):
        theirs, ours = f"{prefix}encoder.layer.{i}", f"backbone.blocks.{i}"
        for part in ("query", "key", "value"):
            table += linear(f"{theirs}.attention.self.{part}", f"{ours}.attention.{part}", bias=True)
        table += linear(f"{theirs}.attention.output.dense", f"{ours}.attention.out", bias=True)
        table += linear(f"{theirs}.attention.output.LayerNorm", f"{ours}.attention_norm", bias=True)
        table += linear(f"{theirs}.intermediate.dense", f"{ours}.feed_forward.up", bias=True)
        table += linear(f"{theirs}.output.dense", f"{ours}.feed_forward.down", bias=True)
        table += linear(f"{theirs}.output.LayerNorm", f"{ours}.feed_forward_norm", bias=True)
    return tuple(table)


def masked_head_names(head: str) -> WeightNames:
    """Return the weight names of the masked language modelling head, whose name in danlu is `head`."""
    return (
        *linear("cls.predictions.transform.dense", f"{head}.dense", bias=True),
        *linear("cls.predictions.transform.LayerNorm", f"{head}.norm", bias=True),
        Weight("cls.predictions.bias", ("output_bias",)),
    )


def names(settings: Transformer) -> WeightNames:
    return (*body_names(settings, "bert."), *masked_head_names("head"))


def pretraining_names(settings: Transformer) -> WeightNames:
    """Return the weight names of `BertForPreTraining`.

    The rows of the pair classifier are reversed: class 0 is "next" in BERT and "random" in danlu.
    """
    return (
        *body_names(settings, "bert."),
        *masked_head_names("head.masked"),
        *linear("bert.pooler.dense", "head.pair.dense", bias=True),
        *linear("cls.seq_relationship", "head.pair.out", bias=True, reversed=True),
    )


def encoder_sizes(config: Config, without: Mapping[str, Any] = FIXED_FIELDS) -> dict[str, Any]:
    """Return the settings that the configs of BERT and its descendants have in common."""
    expect(config, without)
    if config.get("position_embedding_type", "absolute") != "absolute":
        kind = config["position_embedding_type"]
        raise WrongInput(f"config.json: position_embedding_type is {kind}; danlu supports absolute only")
    return {
        **FIXED,
        "layers": require(config, "num_hidden_layers"),
        "width": require(config, "hidden_size"),
        "heads": require(config, "num_attention_heads"),
        "ffn_dim": require(config, "intermediate_size"),
        "epsilon": config.get("layer_norm_eps", 1e-12),
        "segments": require(config, "type_vocab_size"),
    }


def settings_of(config: Config) -> Transformer:
    return transformer(encoder_sizes(config) | {"context": require(config, "max_position_embeddings")})


POSITION_IDS = r"(\w+\.)?embeddings\.position_ids"
"""The buffer 0, 1, 2, ... in files of older versions of transformers."""

UNUSED_WEIGHTS = (r"(\w+\.)?pooler\.dense\.(weight|bias)", POSITION_IDS)
"""The pooler, which a masked language model does not use, and the buffer of position ids."""

FAMILY = Family(
    model_type="bert",
    prefix="bert.",
    ignored=(*UNUSED_WEIGHTS, r"cls\.seq_relationship\.(weight|bias)"),
    copies={
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    class_name="BertForMaskedLM",
    head=MASKED_LM,
    mismatch=mismatch,
    config=config,
    names=names,
    settings_of=settings_of,
)

PRETRAINING = replace(
    FAMILY,
    label="bert_pretraining",
    class_name="BertForPreTraining",
    head=MASKED_LM_AND_NEXT_SENTENCE,
    mismatch=pretraining_mismatch,
    config=lambda *given: config(*given) | {"architectures": ["BertForPreTraining"]},
    names=pretraining_names,
    ignored=(POSITION_IDS,),
    objective_settings={"classifier": "first_token"},
)

ENCODER = without_head(
    FAMILY, "BertModel", "bert.", head_settings={"output_bias": True}, ignored=(*UNUSED_WEIGHTS, r"cls\..*")
)
