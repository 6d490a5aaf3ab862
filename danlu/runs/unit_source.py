"""The data from which an objective builds units that are not windows of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from danlu.architectures import Network
from danlu.errors import WrongInput, nearest
from danlu.objective import UnitSource
from danlu.runs.prepare_data import Data
from danlu.tokens.shards import TokenStore
from danlu.tokens.vocabulary import Vocabulary


class RunSource(UnitSource):
    """The tokenized text and the earlier models of a run."""

    def __init__(self, data: Data, folder: Path, earlier: Mapping[str, Callable[[], Network]]):
        self._data, self._earlier = data, earlier
        self.folder = folder
        self.vocabulary: Vocabulary = data.tokenizer.vocabulary

    def store(self, split: str) -> TokenStore:
        return self._data.store(split)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        return self._data.tokenizer.encode_batch(list(texts))

    def decode(self, ids: Sequence[int]) -> str:
        return self._data.tokenizer.decode([int(i) for i in ids])

    def model(self, name: str) -> Network:
        if name not in self._earlier:
            raise WrongInput(f"no earlier model of the recipe is called {name!r}; {nearest(name, self._earlier)}")
        return self._earlier[name]()
