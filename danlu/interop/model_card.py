"""The README.md of an exported model: front matter for the hub and a short description."""

from __future__ import annotations

import json
from dataclasses import dataclass

from danlu import __version__
from danlu.architectures.presets import Family
from danlu.interop.blank_tokens import BLANKS
from danlu.interop.head_kinds import KINDS
from danlu.objective import Objective


@dataclass(frozen=True)
class Origin:
    """The training data of a model, as far as it is known."""

    languages: tuple[str, ...] = ()  # codes of the hub, such as "en" and "zh"
    corpus: str | None = None
    tokens: int | None = None
    license: str | None = None


def model_card(
    family: Family, objective: Objective, parameters: int, vocabulary: int, context: int, origin: Origin
) -> str:
    """Return the text of README.md."""
    kind = KINDS[family.head.kind]
    front = ["library_name: transformers", f"pipeline_tag: {kind.pipeline}"]
    if origin.languages:
        # quoted, because YAML reads `no` as false
        front += ["language:", *(f"- {json.dumps(code)}" for code in origin.languages)]
    if origin.license:
        front.append(f"license: {json.dumps(origin.license)}")
    front += ["tags:", "- danlu"]
    known = [
        f"- class: `{family.class_name}`",
        f"- trained with the {objective.name} objective by danlu {__version__}",
        f"- {parameters:,} parameters, a vocabulary of {vocabulary:,} tokens, texts of up to {context:,} tokens",
    ]
    if origin.corpus:
        known.append(f"- trained on: {origin.corpus}")
    if origin.tokens:
        known.append(f"- tokens seen in training: {origin.tokens:,}")
    lines = ["---", *front, "---", "", f"# A {family.model_type} model trained by danlu", "", *known, ""]
    usage = kind.usage.format(blank=BLANKS[family.head.blank].text)
    return "\n".join([*lines, "```python", f"folder = ...  # the path of this folder\n{usage}", "```", ""])
