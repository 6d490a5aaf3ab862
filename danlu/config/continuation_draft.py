"""A recipe that goes on training a saved model on a text."""

from __future__ import annotations

from pathlib import Path

from danlu.config.corpus_survey import look
from danlu.config.drafting import TIME, Draft, time_of
from danlu.config.loading import parse_recipe
from danlu.config.recipe_template import one_line, quoted, time
from danlu.evaluation.text_to_text import BLANK
from danlu.interop import describe_model

pass

RECIPE = """\
# Goes on training the model in {start_line} on {name}.
# `danlu show THIS_FILE` explains it, `danlu run THIS_FILE` runs it.
#
# What was found:
{found}

corpus:
  source: {source}
  documents: auto              # how documents lie in .txt files; auto, or file, line, paragraphs
  validation: {held}             # share held out to choose the best weights
  test: {held}                   # share held out to judge them at the end

models:
  continued:
    start: {start}             # its objective, architecture and tokenizer
    training:
      budget: {seconds:16s} # or 30min, 5M tokens, 3 epochs, 400 steps
      batch_tokens: 2048
      optimizer: {{name: adamw, learning_rate: 3e-4}} # less for a large model, which forgets more than it learns
      schedule: {{name: wsd, warm_up: 0.05, decay: 0.5}}
      validation_tokens: 65536
    prompts: {prompts}
    sampling: {{tokens: 80}}

language: {language}                   # of the report: en or zh
"""


def draft_continuation(source: str | Path, budget: str = TIME, start: str = "") -> Draft:
    """Look at a text and write a recipe that goes on training the model in the folder `start` on it."""
    seconds = time_of(budget)
    facts, _ = describe_model(Path(start).expanduser())
    findings = look(str(source))
    prompts = [with_blank(p) for p in findings.prompts] if facts.objective.needs_blank else findings.prompts
    text = RECIPE.format(
        start_line=one_line(start),
        name=one_line(findings.source),
        found="\n".join(f"#   {one_line(line)}" for line in findings.lines()),
        source=quoted(findings.source),
        held=findings.settings.validation,
        start=quoted(start),
        seconds=time(seconds),
        prompts="[" + ", ".join(quoted(p) for p in prompts) + "]",
        language="zh" if findings.chinese else "en",
    )
    return Draft(text, parse_recipe(text, "draft"), findings)


def with_blank(prompt: str) -> str:
    """A prompt with a blank behind it, or as it is where it has one."""
    return prompt if BLANK.search(prompt) else f"{prompt} ___"
