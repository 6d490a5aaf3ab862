"""RoBERTa (Liu et al. 2019): BERT with one segment, and position embeddings that start after the padding token's id."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import NonNegativeInt

from danlu.architecture import Architecture
from danlu.architectures.presets.bert import (
    UNUSED_WEIGHTS,
    Bert,
    body_names,
    encoder_config,
    encoder_sizes,
    post_norm_mismatch,
)
from danlu.architectures.presets.encoder import without_head
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.requirements import require, transformer
from danlu.architectures.presets.weight_names import Weight, WeightNames, linear
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.hf_heads import MASKED_LM
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary


@architectures.register
class Roberta(Bert):
    """RoBERTa (Liu et al. 2019): BERT with one segment; `position_offset` is the id of the padding token plus 1."""

    name: Literal["roberta"] = "roberta"  # type: ignore[assignment]
    epsilon: float = 1e-5
    position_offset: NonNegativeInt = 1
    segments: NonNegativeInt = 1


def mismatch(settings: Architecture, objective: Objective) -> str | None:
    if reason := post_norm_mismatch(settings, objective, frozenset({"segments", "position_offset"})):
        return reason
    assert isinstance(settings, Transformer)
    return None if settings.position_offset else "set position_offset: 1 or more (currently 0)"


def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    if vocabulary.pad != settings.position_offset - 1:
        raise WrongInput(
            f"position_offset {settings.position_offset} requires padding id {settings.position_offset - 1}, but the "
            f"tokenizer has {vocabulary.pad}; set position_offset: {vocabulary.pad + 1}"
        )
    class_fields = {"architectures": [FAMILY.class_name], "model_type": FAMILY.model_type}
    return class_fields | encoder_config(settings, vocabulary, dtype)


def names(settings: Transformer) -> WeightNames:
    return (
        *body_names(settings, "roberta."),
        *linear("lm_head.dense", "head.dense", bias=True),
        *linear("lm_head.layer_norm", "head.norm", bias=True),
        Weight("lm_head.bias", ("output_bias",)),
    )


def settings_of(config: Config) -> Transformer:
    offset = config.get("pad_token_id", 1) + 1
    context = require(config, "max_position_embeddings") - offset
    return transformer(encoder_sizes(config) | {"context": context, "position_offset": offset})


FAMILY = Family(
    model_type="roberta",
    prefix="roberta.",
    ignored=UNUSED_WEIGHTS,
    copies={
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
    class_name="RobertaForMaskedLM",
    head=MASKED_LM,
    mismatch=mismatch,
    config=config,
    names=names,
    settings_of=settings_of,
)

ENCODER = without_head(
    FAMILY, "RobertaModel", "roberta.", head_settings={"output_bias": True}, ignored=(*UNUSED_WEIGHTS, r"lm_head\..*")
)
