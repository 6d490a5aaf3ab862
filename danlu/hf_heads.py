"""The heads of transformers classes.

An objective declares the head of the models it trains, and a family of classes the head that it has. Neither knows the
other's name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    """The head of a class, and the special tokens around its texts."""

    kind: str  # key of `danlu.interop.head_kinds.KINDS`; empty for the class that ends at the hidden states
    before: tuple[str, ...] = ()  # roles of the special tokens before a text, as in training
    after: tuple[str, ...] = ()  # roles of the special tokens after a text
    blank: str | None = None  # what a blank is written as: "mask", "sentinels" in their order; None: no blanks
    auto: str | None = None  # what follows `AutoModelFor` in transformers; None: `kind`
    pairs: bool = False  # whether it also classifies pairs of texts, by their token types

    @property
    def auto_class(self) -> str:
        """The auto class of transformers."""
        return f"AutoModelFor{self.auto or self.kind}" if self.kind else "AutoModel"


CAUSAL_LM = Head("CausalLM", before=("bos",))

MASKED_LM = Head("MaskedLM", before=("bos",), after=("eos",), blank="mask")

DISCRIMINATOR = Head("PreTraining", before=("bos",), after=("eos",))
"""ELECTRA's: one logit per token, above 0 if the token was replaced."""

MASKED_LM_AND_NEXT_SENTENCE = Head(
    "MaskedLMAndNextSentence", before=("bos",), after=("eos",), blank="mask", auto="PreTraining", pairs=True
)
"""BERT's: masked language modelling, and whether the second text of a pair follows the first."""

SEQ2SEQ_LM_OF_SENTINELS = Head("Seq2SeqLM", after=("eos",), blank="sentinels")
"""T5's: it generates what each sentinel stands for."""

SEQ2SEQ_LM_OF_MASKS = Head("Seq2SeqLM", before=("bos",), after=("eos",), blank="mask")
"""BART's: it generates the whole text; a mask stands for any number of tokens."""

HIDDEN_STATES = Head("", before=("bos",), after=("eos",))
"""No head."""
