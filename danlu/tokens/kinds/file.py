"""A tokenizer that is there already: any `tokenizer.json`, a folder that holds one, or a sentencepiece `.model`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from danlu.errors import WrongInput
from danlu.registry import tokenizers as registry
from danlu.settings import Settings
from danlu.tokens.sentencepiece_model import read_model
from danlu.tokens.tokenizer import TOKENIZER, TextTokenizer

SENTENCEPIECE = ".model"


@registry.register
class File(Settings):
    """Nothing is learnt. The special tokens are those that the files beside it name (tokenizer_config.json); those of a
    sentencepiece model are its control symbols, and what it lacks is added behind its own entries."""

    name: Literal["file"] = "file"
    path: str

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """The tokenizer of the file, whatever the texts."""
        return tokenizer_at(Path(self.path).expanduser(), "tokenizer.path: ")


def tokenizer_at(path: Path, place: str = "") -> TextTokenizer:
    """The tokenizer in that file or folder; `place` begins what is said where there is none."""
    if not path.exists():
        raise WrongInput(f"{place}{path} does not exist; name a {TOKENIZER}, a {SENTENCEPIECE} or a folder of one")
    if path.is_file() and path.suffix == SENTENCEPIECE:
        model = read_model(path)
        return TextTokenizer(model, {"kind": f"sentencepiece {model.kind}"}, model.roles)
    if path.is_file() and path.name != TOKENIZER:
        raise WrongInput(f"{place}{path} is no {TOKENIZER} and no {SENTENCEPIECE}; name one, or a folder of one")
    return TextTokenizer.load(path if path.is_dir() else path.parent)
