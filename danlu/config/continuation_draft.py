"""A recipe that continues the pre-training of a saved model on a text."""

from __future__ import annotations

from pathlib import Path

from danlu.config.corpus_survey import look
from danlu.config.drafting import TIME, Draft, time_of
from danlu.config.loading import parse_draft
from danlu.config.recipe_template import one_line, quoted, time
from danlu.evaluation.text_to_text import BLANK
from danlu.interop import describe_model

RECIPE = """\
# Continue the pre-training of the model in {start_line} on {name}.
# `danlu show THIS_FILE` explains it, `danlu run THIS_FILE` runs it.
# For completion and checks in an editor: danlu schema --json-file recipe.schema.json
# yaml-language-server: $schema=recipe.schema.json
#
# The text:
{found}

corpus:
  source: {source}
  documents: auto              # how .txt files are divided into documents: auto, file, line or paragraphs
  validation: {held}             # share held out to choose the best weights
  test: {held}                   # share held out to judge them at the end

models:
  continued:
    start: {start}             # architecture and tokenizer are those of this model{objective}
    training:
      budget: {seconds:16s} # or 30min, 5M tokens, 3 epochs, 400 steps
      batch_tokens: 2048
      optimizer: {{name: adamw, learning_rate: 3e-4}} # lower it for a large model, which forgets easily
      schedule: {{name: wsd, warm_up: 0.05, decay: 0.5}}
      validation_tokens: 65536
    prompts: {prompts}
    sampling: {{tokens: 80}}

language: {language}                   # of the report: en or zh
"""


HEADLESS = """
    objective: masked          # the model has no prediction head; it gets one, which is trained from scratch"""


def draft_continuation(source: str | Path, budget: str = TIME, start: str = "") -> Draft:
    """Draft a recipe that continues the pre-training of the model in the folder `start` on a text."""
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
        objective="" if facts.objective.terms else HEADLESS,
        seconds=time(seconds),
        prompts="[" + ", ".join(quoted(p) for p in prompts) + "]",
        language="zh" if findings.chinese else "en",
    )
    return Draft(text, parse_draft(text), findings)


def with_blank(prompt: str) -> str:
    """Return a prompt with a blank at its end, unchanged if it has one."""
    return prompt if BLANK.search(prompt) else f"{prompt} ___"
