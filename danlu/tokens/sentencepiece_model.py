"""A sentencepiece `.model` (Kudo & Richardson 2018), encoded by the sentencepiece library.

No tokenizer.json is exactly equivalent: normalisation replaces the longest matches; float32 sums decide between the
segmentations of a unigram model; and of two pairs that give the same piece, BPE merges the one further left, whereas a
tokenizer.json ranks its merges. So the file is stored unchanged, and `SentencePiece` has the part of the interface of
`tokenizers.Tokenizer` that `TextTokenizer` uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from danlu.errors import WrongInput
from danlu.extras import import_optional
from danlu.tokens.protobuf import integer_field, read_message

FILE = "tokenizer.model"
"""File name in a folder written by danlu."""

KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
"""Model types by their number in the file."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "pad": ("<pad>", "[PAD]"),
    "bos": ("<s>", "[CLS]"),
    "eos": ("</s>", "[SEP]"),
    "mask": ("<mask>", "[MASK]"),
}
"""Usual names of the control symbol of each role. A missing symbol is added under the first name."""


@dataclass(frozen=True)
class Encoded:
    """Ids [n], and the character ranges (start, end) [n] of each if they were requested."""

    ids: list[int]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True)
class Special:
    """A special token with the fields of `tokenizers.AddedToken` that are used."""

    content: str
    special: bool = True


class SentencePiece:
    """A sentencepiece model with the interface of `tokenizers.Tokenizer`.

    Roles without a control symbol get new entries after those of the model. So every objective can use it, and the ids
    of text do not change.
    """

    def __init__(self, data: bytes, where: str = "the model"):
        library: Any = import_optional("sentencepiece", "spm", "a sentencepiece model")
        self.data = data
        try:
            self.processor = library.SentencePieceProcessor(model_proto=data)
            self.model_size: int = self.processor.vocab_size()
        except (RuntimeError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise WrongInput(f"{where} is damaged or not a sentencepiece model ({reason})") from None
        if not self.model_size:
            raise WrongInput(f"{where} is damaged or not a sentencepiece model (it has no entries)")
        pieces = [self.processor.id_to_piece(i) for i in range(self.model_size)]
        control = [i for i in range(self.model_size) if self.processor.is_control(i)]
        self.roles, added = self._roles(pieces, control)
        self._pieces = [*pieces, *added]
        self._ids = {piece: i for i, piece in enumerate(self._pieces)}
        unknown = [i for i in range(self.model_size) if self.processor.is_unknown(i)]
        self.special = {
            i: Special(self._pieces[i]) for i in (*unknown, *control, *range(self.model_size, len(self._pieces)))
        }

    def _roles(self, pieces: Sequence[str], control: Sequence[int]) -> tuple[dict[str, str], list[str]]:
        """Return {role: piece}, and the pieces to add."""
        roles: dict[str, str] = {"unk": pieces[int(self.processor.unk_id())]}
        added: list[str] = []
        named = {pieces[i] for i in control}
        ids = {
            "pad": int(self.processor.pad_id()),
            "bos": int(self.processor.bos_id()),
            "eos": int(self.processor.eos_id()),
        }
        for role, names in NAMES.items():
            given = [pieces[ids[role]]] if ids.get(role, -1) in control else []
            roles[role] = next((name for name in (*given, *names) if name in named), "")
            if not roles[role]:
                fresh = names[0]
                while fresh in pieces:  # an ordinary piece has that name, so raw text can produce it
                    fresh += "_"
                roles[role] = fresh
                added.append(fresh)
        return roles, added

    @cached_property
    def kind(self) -> str:
        """The type of the model: "unigram", "bpe", "word" or "char"."""
        trainer = next((value for field, value in read_message(self.data) if field == 2), b"")
        return KINDS.get(integer_field(trainer, 3, 1), "unknown")

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
        """Encode texts to ids without offsets, on all cores."""
        return [Encoded(list(ids), []) for ids in self.processor.encode(list(texts), out_type=int)]

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = False) -> list[Encoded]:
        found = self.processor.encode(list(texts), out_type="serialized_proto")
        return [encoded_with_offsets(text, message) for text, message in zip(texts, found, strict=True)]

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Return the text of some ids, without special tokens or with their names."""
        text, pending = "", []
        for i in ids:
            if i not in self.special:
                pending.append(i)
            elif not skip_special_tokens:
                text += self._text(pending) + self._pieces[i]
                pending = []
        return text + self._text(pending)

    def _text(self, ids: list[int]) -> str:
        return self.processor.decode(ids) if ids else ""


def encoded_with_offsets(text: str, message: bytes) -> Encoded:
    """Return the ids and character ranges of a serialized SentencePieceText, which has byte ranges."""
    inside = np.frombuffer(text.encode(), np.uint8)
    character = np.append(np.cumsum((inside & 0xC0) != 0x80) - 1, len(text))
    ids, offsets = [], []
    for piece in pieces_of(message):
        ids.append(integer_field(piece, 2, 0))
        offsets.append((int(character[integer_field(piece, 4, 0)]), int(character[integer_field(piece, 5, 0)])))
    return Encoded(ids, offsets)


def pieces_of(message: bytes) -> Iterator[bytes]:
    """Return the serialized pieces of a SentencePieceText."""
    return (value for field, value in read_message(message) if field == 2 and isinstance(value, bytes))


def read_model(path: Path) -> SentencePiece:
    """Read a `.model` file. Raises WrongInput if it is damaged or cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WrongInput(f"{path} cannot be read: {error.strerror}") from None
    return SentencePiece(data, str(path))
