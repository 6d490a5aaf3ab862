"""A sentencepiece `.model` (Kudo & Richardson 2018), encoded by sentencepiece itself.

No tokenizer.json equals one exactly: the tables of its normalization apply to longest matches, sums of float32 decide
between segmentations of a unigram model, and of two pairs that make the same piece BPE merges the one further left,
where a list of merges has an order of its own. So the file is kept as it is, and the class below answers to what
`TextTokenizer` asks of a `tokenizers.Tokenizer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from danlu.errors import WrongInput
from danlu.extras import need
from danlu.tokens.protobuf import number, read_message

FILE = "tokenizer.model"
"""What it is called in a folder of ours."""

KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
"""The numbers of model types in the file."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "pad": ("<pad>", "[PAD]"),
    "bos": ("<s>", "[CLS]"),
    "eos": ("</s>", "[SEP]"),
    "mask": ("<mask>", "[MASK]"),
}
"""By role, what a control symbol of that role is called, the first also where an entry is added for it."""


@dataclass(frozen=True)
class Encoded:
    """ids [n] and, where they were asked for, the characters (start, end) [n] of each."""

    ids: list[int]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True)
class Special:
    content: str
    special: bool = True


class SentencePiece:
    """Ids below `len` of the model are the model's own. Roles that it has no control symbol for get entries after
    those, so that any objective can use it and no id of text changes."""

    def __init__(self, data: bytes, where: str = "the model"):
        library: Any = need("sentencepiece", "spm", "a sentencepiece model")
        self.data = data
        try:
            self.processor = library.SentencePieceProcessor(model_proto=data)
            self.own: int = self.processor.vocab_size()
        except (RuntimeError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise WrongInput(f"{where} is damaged or no sentencepiece model ({reason})") from None
        if not self.own:
            raise WrongInput(f"{where} is damaged or no sentencepiece model (it has no entry)")
        pieces = [self.processor.id_to_piece(i) for i in range(self.own)]
        control = [i for i in range(self.own) if self.processor.is_control(i)]
        self.roles, added = self._roles(pieces, control)
        self._pieces = [*pieces, *added]
        self._ids = {piece: i for i, piece in enumerate(self._pieces)}
        unknown = [i for i in range(self.own) if self.processor.is_unknown(i)]
        self.special = {i: Special(self._pieces[i]) for i in (*unknown, *control, *range(self.own, len(self._pieces)))}

    def _roles(self, pieces: Sequence[str], control: Sequence[int]) -> tuple[dict[str, str], list[str]]:
        """{role: piece}, and the pieces to be added."""
        roles: dict[str, str] = {"unk": pieces[int(self.processor.unk_id())]}
        added: list[str] = []
        named = {pieces[i] for i in control}
        said = {role: int(getattr(self.processor, f"{role}_id")()) for role in ("pad", "bos", "eos")}
        for role, names in NAMES.items():
            given = [pieces[said[role]]] if said.get(role, -1) in control else []
            roles[role] = next((name for name in (*given, *names) if name in named), "")
            if not roles[role]:
                fresh = names[0]
                while fresh in pieces:  # an ordinary piece of that name: raw text may give it
                    fresh += "_"
                roles[role] = fresh
                added.append(fresh)
        return roles, added

    @cached_property
    def kind(self) -> str:
        trainer = next((value for field, value in read_message(self.data) if field == 2), b"")
        return KINDS.get(number(trainer, 3, 1), "unknown")

    def get_vocab_size(self) -> int:
        return len(self._pieces)

    def get_added_tokens_decoder(self) -> dict[int, Special]:
        return self.special

    def token_to_id(self, token: str) -> int | None:
        return self._ids.get(token)

    def id_to_token(self, id: int) -> str | None:
        return self._pieces[id] if 0 <= id < len(self._pieces) else None

    def encode(self, text: str, add_special_tokens: bool = False) -> Encoded:
        return self.encode_batch_fast([text])[0]

    def encode_batch_fast(self, texts: Sequence[str], add_special_tokens: bool = False) -> list[Encoded]:
        """Ids only, on all cores."""
        return [Encoded(list(ids), []) for ids in self.processor.encode(list(texts), out_type=int)]

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = False) -> list[Encoded]:
        found = self.processor.encode(list(texts), out_type="serialized_proto")
        return [placed(text, message) for text, message in zip(texts, found, strict=True)]

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Special tokens are left out, or stand with their names among the text."""
        shown, said = "", []
        for i in ids:
            if i not in self.special:
                said.append(i)
            elif not skip_special_tokens:
                shown += self._text(said) + self._pieces[i]
                said = []
        return shown + self._text(said)

    def _text(self, ids: list[int]) -> str:
        return self.processor.decode(ids) if ids else ""


def placed(text: str, message: bytes) -> Encoded:
    """The ids and characters that a serialized SentencePieceText names by bytes."""
    inside = np.frombuffer(text.encode(), np.uint8)
    character = np.append(np.cumsum((inside & 0xC0) != 0x80) - 1, len(text))
    ids, offsets = [], []
    for piece in pieces_of(message):
        ids.append(number(piece, 2, 0))
        offsets.append((int(character[number(piece, 4, 0)]), int(character[number(piece, 5, 0)])))
    return Encoded(ids, offsets)


def pieces_of(message: bytes) -> Iterator[bytes]:
    return (value for field, value in read_message(message) if field == 2 and isinstance(value, bytes))


def read_model(path: Path) -> SentencePiece:
    """WrongInput where it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WrongInput(f"{path} cannot be read: {error.strerror}") from None
    return SentencePiece(data, str(path))
