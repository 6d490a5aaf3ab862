"""An existing tokenizer: a `tokenizer.json`, a folder with one, or a sentencepiece `.model`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from danlu.errors import WrongInput
from danlu.registry import tokenizers as registry
from danlu.tokens.kinds.kind import TokenizerKind
from danlu.tokens.sentencepiece_model import read_model
from danlu.tokens.tokenizer import TOKENIZER, TextTokenizer

SENTENCEPIECE = ".model"


@registry.register
class File(TokenizerKind):
    """An existing tokenizer, used without training.

    Special tokens are those named in tokenizer_config.json. Those of a sentencepiece model are its control symbols;
    missing ones are added after its own entries.
    """

    name: Literal["file"] = "file"
    path: str = Field(description="A tokenizer.json, a folder with one, or a sentencepiece .model.")

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Return the tokenizer of the file, which does not depend on the texts."""
        return tokenizer_at(Path(self.path).expanduser(), "tokenizer.path: ")


def tokenizer_at(path: Path, place: str = "") -> TextTokenizer:
    """Return the tokenizer in a file or folder; error messages start with `place`."""
    if not path.exists():
        raise WrongInput(f"{place}{path} does not exist; name a {TOKENIZER}, a {SENTENCEPIECE} or a folder with one")
    if path.is_file() and path.suffix == SENTENCEPIECE:
        model = read_model(path)
        return TextTokenizer(model, {"kind": f"sentencepiece {model.kind}"}, model.roles)
    if path.is_file() and path.name != TOKENIZER:
        raise WrongInput(
            f"{place}{path} is neither a {TOKENIZER} nor a {SENTENCEPIECE}; name one, or a folder with one"
        )
    return TextTokenizer.load(path if path.is_dir() else path.parent)
