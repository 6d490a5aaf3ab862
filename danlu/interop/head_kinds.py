"""The kinds of heads of transformers classes: the task on the hub, an example of use, and what they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class HeadKind:
    """One kind of head."""

    pipeline: str  # the task on the hub
    usage: str  # Python lines for the model card, with {blank} for a blank
    ours: Callable[[Any, Tensor], Tensor]  # danlu's output from hidden states [T, width] (those of a decoder if any)
    theirs: str = "logits"  # the field of the class's output that holds the same


GENERATED = """from transformers import {auto_class}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = {auto_class}.from_pretrained(folder)
inputs = tokenizer("{prompt}", return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=40)[0]))"""

KINDS: Mapping[str, HeadKind] = {
    "CausalLM": HeadKind(
        pipeline="text-generation",
        usage=GENERATED.format(auto_class="AutoModelForCausalLM", prompt="Once upon a time"),
        ours=lambda network, hidden: network.token_logits(hidden),
    ),
    "MaskedLM": HeadKind(
        pipeline="fill-mask",
        usage="""from transformers import pipeline

fill = pipeline("fill-mask", model=folder)
print(fill("The furnace is {blank}."))""",
        ours=lambda network, hidden: network.objective.blank_logits(network, network.head, hidden),
    ),
    "PreTraining": HeadKind(
        pipeline="feature-extraction",
        usage="""from transformers import AutoModelForPreTraining, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForPreTraining.from_pretrained(folder)
inputs = tokenizer("The furnace is made of yesterday.", return_tensors="pt")
print(model(**inputs).logits[0] > 0)  # which tokens it takes for replaced""",
        ours=lambda network, hidden: network.head.detector(hidden),
    ),
    "Seq2SeqLM": HeadKind(
        pipeline="text2text-generation",
        usage=GENERATED.format(auto_class="AutoModelForSeq2SeqLM", prompt="The furnace {blank} the pill."),
        ours=lambda network, hidden: network.token_logits(hidden),
    ),
    "": HeadKind(
        pipeline="feature-extraction",
        usage="""from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder, add_pooling_layer=False)
print(model(**tokenizer("The furnace is hot.", return_tensors="pt")).last_hidden_state.mean(1))""",
        ours=lambda network, hidden: hidden,
        theirs="last_hidden_state",
    ),
}
"""By the `kind` of a head."""
