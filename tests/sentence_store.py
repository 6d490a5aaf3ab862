"""Documents of numbered sentences as shards with sentence boundaries; every sentence names its document."""

from __future__ import annotations

from pathlib import Path

from danlu import durable
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.tokens.shards import FACTS, TokenStore, write_split
from danlu.training.samples import WindowSamples

THINGS = ["furnace", "river", "mill", "gate", "pine", "road", "hill", "bell"]
CHINESE_THINGS = ["炉子", "河水", "磨坊", "大门", "松树", "山路", "小山", "铜钟"]


def english(document: int, sentences: int) -> list[str]:
    return [f"The {THINGS[document % 8]} of house {document} has part {k}." for k in range(sentences)]


def chinese(document: int, sentences: int) -> list[str]:
    return [f"第{document}座{CHINESE_THINGS[document % 8]}有第{k}个部分。" for k in range(sentences)]


class Documents:
    """`texts` as one split, a tokenizer trained on them, and windows of `context` tokens."""

    def __init__(self, folder: Path, texts: list[str], context: int = 64, windows: float = 1, kind=None):
        folder.mkdir(exist_ok=True)
        self.texts = texts
        self.tokenizer = (kind or ByteBPE(size=400)).train([text for text in texts if text] * 2)
        counts = write_split(folder, "train", texts, self.tokenizer, 1 << 20, ["sentence"])
        durable.write_json(folder / FACTS, {"dtype": "uint16", "splits": {"train": counts}})
        self.store = TokenStore(folder, "train")
        self.samples = WindowSamples(self.store, context, self.tokenizer.vocabulary, seed=0, windows=windows)

    def examples(self, objective, count: int):
        return [objective.example(self.samples.draw(n, 0.0)) for n in range(count)]

    def sides(self, ids) -> list[str]:
        """The texts of a sequence, each ended by an end token."""
        v, found, open_ids = self.tokenizer.vocabulary, [], []
        for i in ids.tolist():
            if i == v.eos:
                found.append(self.tokenizer.decode(open_ids))
                open_ids = []
            elif i != v.bos:
                open_ids.append(i)
        assert not open_ids
        return found

    def of(self, text: str) -> set[int]:
        """The documents that contain a text."""
        return {i for i, document in enumerate(self.texts) if text in document}
