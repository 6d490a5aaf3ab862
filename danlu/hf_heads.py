"""The heads of Hugging Face classes.

An objective and a family of Hugging Face models match if they declare the same head, so that neither has to name the
other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    """The head of a Hugging Face class, and the special tokens around its texts."""

    kind: str  # key of `danlu.interop.head_kinds.KINDS`; empty for a class without a head
    before: tuple[str, ...] = ()  # roles of the special tokens before a text, as in training
    after: tuple[str, ...] = ()  # roles of the special tokens after a text
    blank: str | None = None  # how blanks are written: "mask", or "sentinels" in order; None: no blanks
    auto: str | None = None  # suffix of `AutoModelFor` in transformers; None: `kind`
    pairs: bool = False  # whether it also classifies pairs of texts, by their token types

    @property
    def auto_class(self) -> str:
        """The name of the auto class in transformers."""
        return f"AutoModelFor{self.auto or self.kind}" if self.kind else "AutoModel"


CAUSAL_LM = Head("CausalLM", before=("bos",))

MASKED_LM = Head("MaskedLM", before=("bos",), after=("eos",), blank="mask")

DISCRIMINATOR = Head("PreTraining", before=("bos",), after=("eos",))
"""ELECTRA's head: one logit per token, above 0 if the token was replaced."""

MASKED_LM_AND_NEXT_SENTENCE = Head(
    "MaskedLMAndNextSentence", before=("bos",), after=("eos",), blank="mask", auto="PreTraining", pairs=True
)
"""BERT's heads: masked language modelling and next sentence prediction."""

SEQ2SEQ_LM_OF_SENTINELS = Head("Seq2SeqLM", after=("eos",), blank="sentinels")
"""T5's head: the decoder generates the span that each sentinel stands for."""

SEQ2SEQ_LM_OF_MASKS = Head("Seq2SeqLM", before=("bos",), after=("eos",), blank="mask")
"""BART's head: the decoder generates the whole text; a mask token stands for any number of tokens."""

HIDDEN_STATES = Head("", before=("bos",), after=("eos",))
"""No head: the class returns hidden states."""
