"""The kinds of heads of transformers classes: the task on the hub, a usage example, and the outputs."""

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
    outputs: Mapping[str, Callable[[Any, Tensor], Tensor]]
    """{output of the class: function that computes it from a network and its last hidden states [T, width]}."""


GENERATED = """from transformers import {auto_class}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = {auto_class}.from_pretrained(folder)
inputs = tokenizer("{prompt}", return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=40)[0]))"""


def blank_logits(network: Any, hidden: Tensor) -> Tensor:
    return network.objective.blank_logits(network, network.head, hidden)


def next_sentence_logits(network: Any, hidden: Tensor) -> Tensor:
    """Return the logits [2] of one sequence in BERT's order: next sentence, random sentence."""
    return network.head["pair"](hidden[:1])[0].flip(0)


KINDS: Mapping[str, HeadKind] = {
    "CausalLM": HeadKind(
        pipeline="text-generation",
        usage=GENERATED.format(auto_class="AutoModelForCausalLM", prompt="Once upon a time"),
        outputs={"logits": lambda network, hidden: network.token_logits(hidden)},
    ),
    "MaskedLM": HeadKind(
        pipeline="fill-mask",
        usage="""from transformers import pipeline

fill = pipeline("fill-mask", model=folder)
print(fill("The furnace is {blank}."))""",
        outputs={"logits": blank_logits},
    ),
    "PreTraining": HeadKind(
        pipeline="feature-extraction",
        usage="""from transformers import AutoModelForPreTraining, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForPreTraining.from_pretrained(folder)
inputs = tokenizer("The furnace is made of yesterday.", return_tensors="pt")
print(model(**inputs).logits[0] > 0)  # which tokens it takes for replaced""",
        outputs={"logits": lambda network, hidden: network.head.detector(hidden)},
    ),
    "MaskedLMAndNextSentence": HeadKind(
        pipeline="fill-mask",
        usage="""from transformers import AutoModelForPreTraining, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForPreTraining.from_pretrained(folder)
inputs = tokenizer("The furnace is hot.", "Smoke rises from it.", return_tensors="pt")
print(model(**inputs).seq_relationship_logits.softmax(1)[0, 0])  # probability that the second text follows""",
        outputs={"prediction_logits": blank_logits, "seq_relationship_logits": next_sentence_logits},
    ),
    "Seq2SeqLM": HeadKind(
        pipeline="text2text-generation",
        usage=GENERATED.format(auto_class="AutoModelForSeq2SeqLM", prompt="The furnace {blank} the pill."),
        outputs={"logits": lambda network, hidden: network.token_logits(hidden)},
    ),
    "": HeadKind(
        pipeline="feature-extraction",
        usage="""from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder, add_pooling_layer=False)
print(model(**tokenizer("The furnace is hot.", return_tensors="pt")).last_hidden_state.mean(1))""",
        outputs={"last_hidden_state": lambda network, hidden: hidden},
    ),
}
"""The kinds of heads, by the `kind` of a head."""
