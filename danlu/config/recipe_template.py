"""The YAML template of drafted recipes, with a comment for each choice."""

from __future__ import annotations

import json
from dataclasses import dataclass

from danlu.config.corpus_survey import CorpusSurvey
from danlu.text.account import format_bytes
from danlu.text.corpus import CorpusSettings


@dataclass(frozen=True)
class DraftSettings:
    """Settings of a drafted recipe, as in the schema unless noted."""

    vocabulary: int  # entries of the tokenizer
    decoder_layers: int
    encoder_layers: int
    width: int
    heads: int
    decoder_seconds: float
    encoder_seconds: float
    language: str


RECIPE_TEMPLATE = """\
# Two models of {name}. Edit as you like; `danlu show THIS_FILE` explains it, `danlu run THIS_FILE` runs it.
# For completion and checks in an editor: danlu schema --json-file recipe.schema.json
# yaml-language-server: $schema=recipe.schema.json
#
# Found in the text:
{survey}

corpus:
  source: {source}
  documents: {documents:17s} # how prose is divided into documents: auto, file, line, paragraphs
{corpus_settings}  validation: {held_out}             # fraction held out to choose the best checkpoint
  test: {test}                   # fraction held out for the final evaluation

tokenizer:                     # trained on the training split of this text
  name: byte_bpe
  size: {vocabulary}                   # {vocabulary_reason}

models:
  decoder:                     # predicts the next token: continues text (danlu generate), evaluated in bits per byte
    objective: causal
    architecture:
      {{name: transformer, layers: {decoder_layers}, width: {width}, heads: {heads}, context: 256, qk_norm: true}}
    training:
      budget: {decoder_seconds:16s} # or 30min, 5M tokens, 3 epochs, 400 steps
      batch_tokens: 2048
      optimizer: {{name: muon, learning_rate: 4e-3, iterations: 4}}
      schedule: {{name: wsd, warm_up: 0.02, decay: 0.5}}
      validation_tokens: 65536
    prompts: {prompts}
    sampling: {{tokens: 80}}
  encoder:                     # fills blanks from both sides: for embeddings (danlu embed) and fine-tuning
    objective: {{name: masked, rate: 0.5, final_rate: 0.3, replace: 1, random: 0}}
    architecture:
      {{name: transformer, layers: {encoder_layers}, width: {width}, heads: {heads}, context: 256,
       norm: layer, embedding_norm: true, first_norm: false, activation: gelu}}
    training:
      budget: {encoder_seconds}
      batch_tokens: 2048
      optimizer: {{name: muon, learning_rate: 1e-3, matrix_rate: 4e-3, iterations: 4}}
      schedule: {{name: wsd, warm_up: 0.02, decay: 0.5}}
      validations: 5

{tasks}

language: {language}                   # of the report: en or zh
"""

TASKS_TEMPLATE = """\
# To fine-tune the encoder on labelled rows, with baselines, uncomment the lines below and name your tables:
# tasks:
#   topic:
#     model: encoder
#     task:
#       name: classify
#       rows: {{train: {train}, test: test.tsv, text: {text}, label: {label}}}
#       labels_per_class: 16   # rows drawn for each label and seed
#     training:
#       budget: 80s            # shared by all runs of the task
#       batch_tokens: 1024
#       validations: 1
#       optimizer: {{name: adamw, learning_rate: 1e-3, weight_decay: 0.01}}
#       schedule: {{name: linear, warm_up: 0.1}}
#     seeds: 5"""


def quote(text: str) -> str:
    """Quote any text as a YAML string in double quotes on one line."""
    return '"' + "".join(_escaped(c) for c in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def render_recipe(survey: CorpusSurvey, settings: DraftSettings) -> str:
    """Return the YAML of a drafted recipe."""
    reason = "Chinese text needs a larger vocabulary" if settings.language == "zh" else "larger texts support more"
    table = survey.tables[0] if survey.tables else None
    return RECIPE_TEMPLATE.format(
        name=one_line(survey.source),
        survey="\n".join(f"#   {one_line(line)}" for line in survey.lines()),
        source=quote(survey.source),
        documents=survey.settings.documents,
        corpus_settings=corpus_settings(survey.settings),
        held_out=survey.settings.validation,
        test=survey.settings.test,
        vocabulary=settings.vocabulary,
        vocabulary_reason=f"entries, for {format_bytes(survey.bytes)}; {reason}",
        decoder_layers=settings.decoder_layers,
        encoder_layers=settings.encoder_layers,
        width=settings.width,
        heads=settings.heads,
        decoder_seconds=format_time(settings.decoder_seconds),
        encoder_seconds=format_time(settings.encoder_seconds),
        prompts="[" + ", ".join(quote(p) for p in survey.prompts) + "]",
        tasks=TASKS_TEMPLATE.format(
            train=quote(str(table.path)) if table else "train.tsv",
            text=quote(table.text) if table else "text",
            label=quote(table.column) if table else "label",
        ),
        language=settings.language,
    )


IN_TEMPLATE = {"source", "documents", "validation", "test"}


def corpus_settings(settings: CorpusSettings) -> str:
    """Return the lines of the corpus settings that were given, apart from those of the template."""
    given = settings.model_dump(mode="json", exclude_unset=True, exclude=IN_TEMPLATE)
    return "".join(f"  {key}: {json.dumps(value, ensure_ascii=True)}\n" for key, value in given.items())


def one_line(text: str) -> str:
    """Replace characters that could end the line of a comment by spaces."""
    return "".join(c if c.isprintable() else " " for c in text)


def format_time(seconds: float) -> str:
    """Format a time as in a recipe: `5min`, `90s`."""
    return f"{seconds / 60:g}min" if seconds >= 60 and seconds % 60 == 0 else f"{float(f'{seconds:.4g}'):g}s"
