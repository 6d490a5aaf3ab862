"""The README.md of an exported model: front matter for the hub, and what it is in a few lines."""

from __future__ import annotations

import json
from dataclasses import dataclass

from danlu import __version__
from danlu.architectures.presets import Family

SEQ2SEQ = """from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSeq2SeqLM.from_pretrained(folder)
inputs = tokenizer("{text}", return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=40)[0]))"""

USE = {
    "causal": """from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
inputs = tokenizer("Once upon a time", return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=40)[0]))""",
    "masked": """from transformers import pipeline

fill = pipeline("fill-mask", model=folder)
print(fill("The furnace is <mask>."))""",
    "headless": """from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder, add_pooling_layer=False)
print(model(**tokenizer("The furnace is hot.", return_tensors="pt")).last_hidden_state.mean(1))""",
    "replaced": """from transformers import AutoModelForPreTraining, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForPreTraining.from_pretrained(folder)
inputs = tokenizer("The furnace is made of yesterday.", return_tensors="pt")
print(model(**inputs).logits[0] > 0)  # which tokens it takes for replaced""",
    "spans": SEQ2SEQ.format(text="The furnace <extra_id_0> the pill."),
    "denoising": SEQ2SEQ.format(text="The furnace <mask> the pill."),
}


@dataclass(frozen=True)
class Origin:
    """What a model was trained on, as far as it is known. languages: codes of the hub, such as "en" and "zh"."""

    languages: tuple[str, ...] = ()
    corpus: str | None = None
    tokens: int | None = None
    license: str | None = None


def model_card(family: Family, parameters: int, vocabulary: int, context: int, origin: Origin) -> str:
    """The text of README.md."""
    front = ["library_name: transformers", f"pipeline_tag: {family.pipeline}"]
    if origin.languages:
        front += ["language:", *(f"- {json.dumps(code)}" for code in origin.languages)]  # quoted: no means false
    if origin.license:
        front.append(f"license: {json.dumps(origin.license)}")
    front += ["tags:", "- danlu"]
    known = [
        f"- class: `{family.class_name}`",
        f"- trained with the {family.objective} objective by danlu {__version__}",
        f"- {parameters:,} parameters, a vocabulary of {vocabulary:,} tokens, texts of up to {context:,} tokens",
    ]
    if origin.corpus:
        known.append(f"- trained on: {origin.corpus}")
    if origin.tokens:
        known.append(f"- tokens seen in training: {origin.tokens:,}")
    lines = ["---", *front, "---", "", f"# A {family.model_type} model trained by danlu", "", *known, ""]
    return "\n".join([*lines, "```python", f"folder = ...  # this one\n{USE[family.objective]}", "```", ""])
