"""The heads that classes of transformers have. An objective says with which one its models are published, a family of
classes which one it has: so they find each other, and neither knows the other's name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    """What a class has on top of its hidden states, and the texts that it is given.

    kind: what stands behind `AutoModelFor` in transformers, "" for the class that ends at the hidden states. before,
    after: the special tokens around a text by their roles, as the model saw whole texts in training. blank: what stands
    where something of the text is left out, the "mask" token or "sentinels" in their order; None where nothing is.
    """

    kind: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    blank: str | None = None

    @property
    def auto_class(self) -> str:
        return f"AutoModelFor{self.kind}" if self.kind else "AutoModel"


CAUSAL_LM = Head("CausalLM", before=("bos",))

MASKED_LM = Head("MaskedLM", before=("bos",), after=("eos",), blank="mask")

DISCRIMINATOR = Head("PreTraining", before=("bos",), after=("eos",))
"""A logit for each token, above 0 for one that another model put in."""

SEQ2SEQ_LM_OF_SENTINELS = Head("Seq2SeqLM", after=("eos",), blank="sentinels")
"""T5's: it writes what each sentinel stands for."""

SEQ2SEQ_LM_OF_MASKS = Head("Seq2SeqLM", before=("bos",), after=("eos",), blank="mask")
"""BART's: it writes the whole text, and a mask stands for any number of tokens."""

HIDDEN_STATES = Head("", before=("bos",), after=("eos",))
"""No head at all."""
