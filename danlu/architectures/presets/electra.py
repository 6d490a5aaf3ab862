"""ELECTRA (Clark et al. 2020): BERT with optionally narrow embeddings, as discriminator and as generator.

The discriminator detects replaced tokens; the generator, which replaces them, is a masked language model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from danlu.architecture import Architecture
from danlu.architectures.presets.bert import Bert, body_names, encoder_config, encoder_sizes, post_norm_mismatch
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.requirements import require, transformer
from danlu.architectures.presets.weight_names import Weight, WeightNames, linear
from danlu.architectures.transformer import Transformer
from danlu.hf_heads import DISCRIMINATOR, MASKED_LM, Head
from danlu.objective import Objective
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary

FREE = frozenset({"segments", "embedding_width"})


@architectures.register
class Electra(Bert):
    """ELECTRA (Clark et al. 2020): BERT with optionally narrow embeddings. ELECTRA-Small has embedding_width 128."""

    name: Literal["electra"] = "electra"  # type: ignore[assignment]


def mismatch_with_head(head: Head, settings: Architecture, objective: Objective) -> str | None:
    if reason := post_norm_mismatch(settings, objective, FREE, head):
        return reason
    assert isinstance(settings, Transformer)
    if settings.embedding_width == settings.width:
        return f"set embedding_width: null, since it equals the width {settings.width}"
    return None


def config_as(class_name: str, settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
    return {
        "architectures": [class_name],
        "model_type": "electra",
        **encoder_config(settings, vocabulary, dtype),
        "embedding_size": settings.embedding_width or settings.width,
    }


def names_with(head: WeightNames, settings: Transformer) -> WeightNames:
    has_projection = settings.embedding_width is not None
    projection = linear("electra.embeddings_project", "backbone.embedding_map", bias=True) if has_projection else ()
    return (*body_names(settings, "electra."), *projection, *head)


def settings_of(config: Config) -> Transformer:
    size, width = require(config, "embedding_size"), require(config, "hidden_size")
    sizes = {"context": require(config, "max_position_embeddings"), "embedding_width": None if size == width else size}
    return transformer(encoder_sizes(config) | sizes)


DETECTOR = (
    *linear("discriminator_predictions.dense", "head.detector.dense", bias=True),
    *linear("discriminator_predictions.dense_prediction", "head.detector.out", bias=True),
)

MASKED_HEAD = (
    *linear("generator_predictions.dense", "head.dense", bias=True),
    *linear("generator_predictions.LayerNorm", "head.norm", bias=True),
    Weight("generator_lm_head.bias", ("output_bias",)),
)

FAMILY = Family(
    model_type="electra",
    prefix="electra.",
    ignored=(r"(electra\.)?embeddings\.position_ids",),
    copies={"generator_lm_head.weight": "electra.embeddings.word_embeddings.weight"},
    class_name="ElectraForPreTraining",
    head=DISCRIMINATOR,
    mismatch=lambda settings, objective: mismatch_with_head(DISCRIMINATOR, settings, objective),
    config=lambda settings, vocabulary, dtype: config_as("ElectraForPreTraining", settings, vocabulary, dtype),
    names=lambda settings: names_with(DETECTOR, settings),
    settings_of=settings_of,
    objective_settings={"generator": None},
)

GENERATOR = replace(
    FAMILY,
    label="electra_generator",
    class_name="ElectraForMaskedLM",
    head=MASKED_LM,
    objective_settings={},
    mismatch=lambda settings, objective: mismatch_with_head(MASKED_LM, settings, objective),
    config=lambda settings, vocabulary, dtype: config_as("ElectraForMaskedLM", settings, vocabulary, dtype),
    names=lambda settings: names_with(MASKED_HEAD, settings),
)
