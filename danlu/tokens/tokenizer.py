"""Tokenizers: text to ids and back, saved as Hugging Face folders."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from danlu import durable
from danlu.errors import WrongInput
from danlu.tokens.byte_tokens import piece_text
from danlu.tokens.ordinary_text import prevent_special_tokens
from danlu.tokens.sentencepiece_model import FILE as MODEL
from danlu.tokens.sentencepiece_model import SentencePiece, read_model
from danlu.tokens.sentinels import add_sentinels, sentinel_ids
from danlu.tokens.text_stream import TextStream
from danlu.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = {"pad": "<pad>", "bos": "<s>", "eos": "</s>", "mask": "<mask>"}
"""{role: token}, with the ids 0, 1, 2, 3 in this order."""

TOKENIZER, CONFIG, FACTS = "tokenizer.json", "tokenizer_config.json", "tokenizer_facts.json"


FALLBACK_ROLES = {"bos": ("cls",), "eos": ("sep",), "pad": ("eos", "sep")}
"""{role: roles of an external tokenizer whose token stands in for a missing one}."""


@dataclass
class TextTokenizer:
    """A trained tokenizer."""

    inner: Tokenizer | SentencePiece
    facts: dict[str, Any] = field(default_factory=dict)
    """How it was trained: kind, size, requested size, bytes of the text it was trained on."""
    roles: dict[str, str] = field(default_factory=lambda: dict(SPECIAL))
    """{role: special token}."""

    def __post_init__(self) -> None:
        if not isinstance(self.inner, SentencePiece):
            # tokenizer.json does not store this: text that looks like a special token gets ordinary ids
            self.inner.encode_special_tokens = True
            # external files may enable these, which would drop or add tokens
            self.inner.no_truncation()
            self.inner.no_padding()

    @cached_property
    def vocabulary(self) -> Vocabulary:
        ids: dict[str, Any] = {role: self.inner.token_to_id(self.roles[role]) for role in ("pad", "bos", "eos")}
        ids["mask"] = self.inner.token_to_id(self.roles["mask"]) if "mask" in self.roles else None
        special = {token.content: i for i, token in self.inner.get_added_tokens_decoder().items() if token.special}
        return Vocabulary(
            size=self.inner.get_vocab_size(),
            special=frozenset(special.values()),
            sentinels=sentinel_ids(special),
            **ids,
        )

    def with_sentinels(self, needed: int) -> TextTokenizer:
        """Return a tokenizer with at least `needed` sentinels; new ones have ids after all others, which do not change.

        Raises WrongInput for a sentencepiece model with fewer, which cannot be extended.
        """
        if len(self.vocabulary.sentinels) >= needed:
            return self
        if isinstance(self.inner, SentencePiece):
            raise WrongInput(
                f"tokenizer: the sentencepiece model has {len(self.vocabulary.sentinels)} sentinels "
                f"(<extra_id_0>, ...) and {needed} are needed; no sentinels can be added to it"
            )
        return replace(self, inner=add_sentinels(self.inner, needed))

    @cached_property
    def byte_level(self) -> bool:
        """Whether pieces are sequences of bytes, each written as one printable character."""
        return self.content is not None and '"ByteLevel"' in json.dumps(json.loads(self.content)["decoder"])

    @cached_property
    def content(self) -> str | None:
        """The content of `tokenizer.json`; None for a sentencepiece model."""
        return None if isinstance(self.inner, SentencePiece) else self.inner.to_str(pretty=True)

    @cached_property
    def file(self) -> tuple[str, bytes]:
        """Name and content of the file in which it is saved."""
        if isinstance(self.inner, SentencePiece):
            return MODEL, self.inner.data
        return TOKENIZER, (self.content or "").encode()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of that file, in hex."""
        return hashlib.sha256(self.file[1]).hexdigest()

    def encode(self, text: str) -> np.ndarray:
        """Return the ids of a text, [n] int64, none of them special."""
        return np.array(self.inner.encode(text, add_special_tokens=False).ids, np.int64)

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return `encode` of each text, on all cores."""
        encodings = self.inner.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(e.ids, np.int64) for e in encodings]

    def encode_starts_batch(self, texts: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return, for each text, the ids [n] int64 and the character offset at which each token starts [n] int64.

        A token that is part of a character starts at the offset of that character.
        """
        found = self.inner.encode_batch(list(texts), add_special_tokens=False)
        return [(np.array(e.ids, np.int64), np.array([start for start, _ in e.offsets], np.int64)) for e in found]

    def encode_offsets_batch(self, texts: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return, for each text, the ids [n] and the offsets at which each token starts [n] and stops [n].

        The offsets of a token include its white space; white space that the tokenizer drops belongs to no token.
        """
        found = self._without_post_processor.encode_batch(list(texts), add_special_tokens=False)
        offsets = [np.array(e.offsets, np.int64).reshape(-1, 2) for e in found]
        return [(np.array(e.ids, np.int64), at[:, 0], at[:, 1]) for e, at in zip(found, offsets, strict=True)]

    @cached_property
    def _without_post_processor(self) -> Tokenizer | SentencePiece:
        """The tokenizer, or a copy of it that does not trim white space from offsets, as some post-processors do."""
        if isinstance(self.inner, SentencePiece) or self.inner.post_processor is None:
            return self.inner
        plain = copy.deepcopy(self.inner)
        plain.post_processor = None  # type: ignore[assignment]
        plain.encode_special_tokens = True
        plain.no_truncation()
        plain.no_padding()
        return plain

    def decode(self, ids: Iterable[int], keep_special: bool = False) -> str:
        """Return the text of some ids, with U+FFFD for invalid UTF-8. Raises IndexError for an unknown id."""
        listed = [int(i) for i in ids]
        for i in listed:
            self._check(i)
        return self.inner.decode(listed, skip_special_tokens=not keep_special)

    def stream(self) -> TextStream:
        """Return a decoder for ids that arrive one by one."""
        return TextStream(self.decode)

    def token(self, id: int) -> str:
        """Return a vocabulary entry in readable form: ` the`, `<mask>`, `\\xe4\\xb8`."""
        self._check(id)
        piece = self.inner.id_to_token(id) or ""
        if id in self.vocabulary.special:
            return piece
        return piece_text(piece) if self.byte_level else piece.replace("\u2581", " ")

    def _check(self, id: int) -> None:
        if not 0 <= id < self.vocabulary.size:
            raise IndexError(f"id {id} is not in 0 .. {self.vocabulary.size - 1}")

    def save(self, folder: Path) -> None:
        """Write the files that `load` and `transformers.AutoTokenizer.from_pretrained` read.

        As everywhere in transformers, that class treats `<mask>` in a text as the special token, unless it is called
        with `split_special_tokens=True`; danlu never does.
        """
        folder.mkdir(parents=True, exist_ok=True)
        name, data = self.file
        durable.write_bytes(folder / name, data)
        config: dict[str, Any] = {f"{role}_token": token for role, token in self.roles.items()}
        if name == TOKENIZER:
            config |= {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "clean_up_tokenization_spaces": False,
                "model_max_length": 10**30,
            }
        durable.write_json(folder / CONFIG, config)
        durable.write_json(folder / FACTS, self.facts)

    @classmethod
    def load(cls, folder: Path) -> TextTokenizer:
        """Load a tokenizer from a folder. Raises WrongInput if it is missing, damaged or not supported."""
        folder = Path(folder)
        facts = durable.read_json(folder / FACTS) if (folder / FACTS).is_file() else {"kind": "file"}
        if (folder / TOKENIZER).is_file():
            inner = read_tokenizer(folder / TOKENIZER)
            prevent_special_tokens(inner, folder / TOKENIZER)
            return cls(inner, facts, special_token_roles(folder, inner))
        if (folder / MODEL).is_file():
            model = read_model(folder / MODEL)
            return cls(model, facts, model.roles)
        raise WrongInput(f"{folder} has no {TOKENIZER}; give the folder of a saved tokenizer")


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer.json. Raises WrongInput if it is not one."""
    from tokenizers import Tokenizer

    content = durable.read_json(path)
    try:
        inner = Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # noqa: BLE001 - the library raises no narrower class
        raise WrongInput(f"{path} is not a file of the tokenizers library: {error}") from None
    # an external file may truncate or pad every text, for example to 128 tokens
    inner.no_truncation()
    inner.no_padding()
    return inner


def tokens_in_config(folder: Path) -> dict[str, str]:
    """Return {role: token} from the files next to a tokenizer.json."""
    named: dict[str, str] = {}
    for name in ("special_tokens_map.json", CONFIG):
        if (folder / name).is_file():
            for key, value in durable.read_json(folder / name).items():
                token = value.get("content") if isinstance(value, dict) else value
                if key.endswith("_token") and isinstance(token, str):
                    named[key.removesuffix("_token")] = token
    return named


def special_token_roles(folder: Path, inner: Tokenizer) -> dict[str, str]:
    """Return {role: special token}. Raises WrongInput if no token marks the beginning or the end of a text."""
    named = tokens_in_config(folder) or dict(SPECIAL)
    special = {token.content for token in inner.get_added_tokens_decoder().values() if token.special}
    for role, token in named.items():
        if role in ("bos", "eos", "mask", "pad") and token not in special:
            raise WrongInput(f"{folder / TOKENIZER}: {token!r}, its {role} token, is not one of its special tokens")
    roles = dict(named)
    for role, others in FALLBACK_ROLES.items():
        if token := next((named[r] for r in (role, *others) if r in named), None):
            roles[role] = token
    for role, other in (("bos", "eos"), ("eos", "bos"), ("pad", "eos")):
        if role not in roles and other in roles:
            roles[role] = roles[other]
    if "bos" not in roles:
        known = ", ".join(sorted(special)) or "none"
        raise WrongInput(
            f"{folder}: no token marks the beginning or end of a text; set bos_token and eos_token in {CONFIG} "
            f"(its special tokens: {known})"
        )
    return roles
