"""A tokenizer that is there already: any `tokenizer.json`, or a folder that holds one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from danlu.errors import WrongInput
from danlu.registry import tokenizers as registry
from danlu.settings import Settings
from danlu.tokens.tokenizer import TOKENIZER, TextTokenizer


@registry.register
class File(Settings):
    """Nothing is learnt. The special tokens are those that the files beside it name (tokenizer_config.json)."""

    name: Literal["file"] = "file"
    path: str

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """The tokenizer of the file, whatever the texts."""
        path = Path(self.path).expanduser()
        if not path.exists():
            raise WrongInput(f"tokenizer.path: {path} does not exist; name a {TOKENIZER} or a folder that holds one")
        if path.is_file() and path.name != TOKENIZER:
            raise WrongInput(f"tokenizer.path: {path} is no {TOKENIZER}; name one, or a folder that holds one")
        return TextTokenizer.load(path if path.is_dir() else path.parent)
