"""Draft a recipe that continues the pre-training of a saved model on a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from danlu.config.corpus_survey import survey_corpus
from danlu.config.drafting import DEFAULT_BUDGET, Draft, normal_source, parse_time_budget
from danlu.config.loading import parse_draft
from danlu.config.recipe_template import corpus_settings, format_time, one_line, quote
from danlu.evaluation.text_to_text import BLANK
from danlu.interop import describe_model

TEMPLATE = """\
# Continue the pre-training of the model in {start_line} on {name}.
# `danlu show THIS_FILE` explains it, `danlu run THIS_FILE` runs it.
# For completion and checks in an editor: danlu schema --json-file recipe.schema.json
# yaml-language-server: $schema=recipe.schema.json
#
# Found in the text:
{survey}

corpus:
  source: {source}
  documents: {documents:17s} # how prose is divided into documents: auto, file, line or paragraphs
{corpus_settings}  validation: {held_out}             # fraction held out to choose the best checkpoint
  test: {test}                   # fraction held out for the final evaluation

models:
  continued:
    start: {start}             # architecture and tokenizer are those of this model{objective}
    training:
      budget: {seconds:16s} # or 30min, 5M tokens, 3 epochs, 400 steps
      batch_tokens: 2048
      optimizer: {{name: adamw, learning_rate: 3e-4}} # use a lower one for large models, to limit forgetting
      schedule: {{name: wsd, warm_up: 0.05, decay: 0.5}}
      validation_tokens: 65536
    prompts: {prompts}
    sampling: {{tokens: 80}}

language: {language}                   # of the report: en or zh
"""


MASKED_OBJECTIVE = """
    objective: masked          # the model has no prediction head; a new one is trained from scratch"""
"""The line for an encoder without a prediction head."""


def draft_continuation(
    source: str | Path, budget: str = DEFAULT_BUDGET, start: str = "", corpus: Mapping[str, Any] | None = None
) -> Draft:
    """Draft a recipe that continues the pre-training of the model in the folder `start` on a text.

    corpus: settings of the corpus.
    """
    seconds = parse_time_budget(budget)
    facts, _ = describe_model(Path(start).expanduser())
    survey = survey_corpus(normal_source(source), corpus)
    prompts = [append_blank(p) for p in survey.prompts] if facts.objective.needs_blank else survey.prompts
    text = TEMPLATE.format(
        start_line=one_line(start),
        name=one_line(survey.source),
        survey="\n".join(f"#   {one_line(line)}" for line in survey.lines()),
        source=quote(survey.source),
        documents=survey.settings.documents,
        corpus_settings=corpus_settings(survey.settings),
        held_out=survey.settings.validation,
        test=survey.settings.test,
        start=quote(start),
        objective="" if facts.objective.terms else MASKED_OBJECTIVE,
        seconds=format_time(seconds),
        prompts="[" + ", ".join(quote(p) for p in prompts) + "]",
        language="zh" if survey.chinese else "en",
    )
    return Draft(text, parse_draft(text), survey)


def append_blank(prompt: str) -> str:
    """Append a blank to a prompt that has none."""
    return prompt if BLANK.search(prompt) else f"{prompt} ___"
