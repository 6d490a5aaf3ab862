"""Token shards: the splits of a corpus as memory-mapped ids.

Each split has files `<split>-00000`, `<split>-00001`, ... of whole documents:

- `.tokens`: the ids, little-endian uint16 when the vocabulary fits, else uint32; a document is [bos] + ids + [eos];
- `.offsets`: int64 [n + 1], the start of each of the n documents of this shard, and the end;
- `.bytes`: int64 [n], the UTF-8 bytes of the text of each document, for bits per byte;
- `.bounds`, only if an objective needs it: uint8 per token, whether a word or a sentence starts there (bounds.py).

`shards.json` has the counts and the data type. Shards of any size are written and read in bounded memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from danlu import durable
from danlu.cache import cached_folder
from danlu.errors import WrongInput, nearest
from danlu.extras import installed_version
from danlu.text.corpus import Corpus
from danlu.text.split import SPLITS
from danlu.tokens.bounds import LIBRARIES, VERSION, flags, with_end_tokens
from danlu.tokens.tokenizer import TextTokenizer

FORMAT = 3
"""Part of the cache key: increase it when the files change."""

FACTS = "shards.json"
SHARD_BYTES = 512 << 20
BATCH_CHARACTERS = 4 << 20
PARTS = ("tokens", "offsets", "bytes")
BOUNDS = "bounds"


def dtype_for(size: int) -> np.dtype[Any]:
    """Return uint16 if it can represent ids below `size`, otherwise uint32, little-endian."""
    return np.dtype("<u2" if size <= 1 << 16 else "<u4")


class ShardWriter:
    """Append documents to the shards of one split; a new shard is started when the last one is full."""

    def __init__(self, folder: Path, split: str, dtype: np.dtype[Any], shard_bytes: int, bounds: bool = False):
        self.folder, self.split, self.dtype, self.shard_bytes = folder, split, dtype, shard_bytes
        self.parts = (*PARTS, BOUNDS) if bounds else PARTS
        self.counts: list[dict[str, int]] = []
        self._files: list[BinaryIO] = []

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        for file in self._files:
            file.close()
        self._files = []

    def _open(self) -> None:
        self._close()
        stem = f"{self.split}-{len(self.counts):05d}"
        self._files = [(self.folder / f"{stem}.{part}").open("wb") for part in self.parts]
        self._files[1].write(np.zeros(1, "<i8").tobytes())
        self.counts.append({"documents": 0, "tokens": 0, "bytes": 0})

    def add(self, ids: np.ndarray, text_bytes: int, bounds: np.ndarray | None = None) -> None:
        """Append a document: its ids [n], the UTF-8 bytes of its text, and its flags [n] uint8."""
        if not self._files or self.counts[-1]["tokens"] * self.dtype.itemsize >= self.shard_bytes:
            self._open()
        count = self.counts[-1]
        count["documents"] += 1
        count["tokens"] += len(ids)
        count["bytes"] += text_bytes
        values = [ids.astype(self.dtype), np.array([count["tokens"]], "<i8"), np.array([text_bytes], "<i8")]
        values += [] if bounds is None else [bounds]
        for file, value in zip(self._files, values, strict=True):
            file.write(value.tobytes())


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield lists of texts of about 4 million characters, enough to encode on all cores in little memory."""
    batch, size = [], 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def encode_documents(
    tokenizer: TextTokenizer, batch: list[str], bounds: Sequence[str]
) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield (ids [n], flags [n + 2] with both ends, or None) of each text."""
    if not bounds:
        yield from ((ids, None) for ids in tokenizer.encode_batch(batch))
        return
    for text, (ids, starts, stops) in zip(batch, tokenizer.encode_offsets_batch(batch), strict=True):
        yield ids, with_end_tokens(flags(text, starts, stops, bounds), text, bounds)


def write_split(
    folder: Path,
    split: str,
    texts: Iterable[str],
    tokenizer: TextTokenizer,
    shard_bytes: int,
    bounds: Sequence[str] = (),
) -> list[dict[str, int]]:
    """Write the shards of one split; return the documents, tokens and text bytes of each shard."""
    vocabulary = tokenizer.vocabulary
    with ShardWriter(folder, split, dtype_for(vocabulary.size), shard_bytes, bool(bounds)) as writer:
        for batch in _batches(texts):
            for text, (ids, found) in zip(batch, encode_documents(tokenizer, batch, bounds), strict=True):
                writer.add(np.concatenate([[vocabulary.bos], ids, [vocabulary.eos]]), len(text.encode()), found)
    return writer.counts


def write_shards(
    corpus: Corpus, tokenizer: TextTokenizer, shard_bytes: int = SHARD_BYTES, bounds: Iterable[str] = ()
) -> Path:
    """Return the folder of the shards of a corpus, from the cache if corpus and tokenizer are unchanged.

    bounds: the kinds of `danlu.tokens.bounds.FLAGS` to store.
    """
    kinds = sorted(bounds)
    key: dict[str, Any] = {
        "format": FORMAT,
        "corpus": corpus.fingerprint,
        "tokenizer": tokenizer.fingerprint,
        "frame": [
            tokenizer.vocabulary.bos,
            tokenizer.vocabulary.eos,
        ],  # not in the fingerprint, because tokenizer_config.json names them
        "shard_bytes": shard_bytes,
        **({"bounds": {kind: installed_version(LIBRARIES[kind]) for kind in kinds}, "flags": VERSION} if kinds else {}),
    }

    def fill(folder: Path) -> None:
        splits = {s: write_split(folder, s, corpus.texts(s), tokenizer, shard_bytes, kinds) for s in SPLITS}
        dtype = dtype_for(tokenizer.vocabulary.size).name
        durable.write_json(folder / FACTS, {**key, "dtype": dtype, "splits": splits})

    return cached_folder("shards", key, fill)


def store_texts(
    folder: Path, split: str, texts: Iterable[str], tokenizer: TextTokenizer, bounds: Iterable[str] = ()
) -> TokenStore:
    """Write texts that are not part of a corpus as shards to an existing folder, and open them."""
    counts = write_split(folder, split, texts, tokenizer, SHARD_BYTES, sorted(bounds))
    dtype = dtype_for(tokenizer.vocabulary.size).name
    durable.write_json(folder / FACTS, {"format": FORMAT, "dtype": dtype, "splits": {split: counts}})
    return TokenStore(folder, split)


class TokenStore:
    """The shards of one split, read through memory maps, so that opening is fast whatever the size."""

    def __init__(self, folder: Path, split: str):
        self.folder, self.split = Path(folder), split
        path = self.folder / FACTS
        if not path.is_file():
            raise WrongInput(f"{self.folder} holds no token shards ({FACTS} is missing)")
        facts = durable.read_json(path)
        if split not in facts["splits"]:
            raise WrongInput(f"no split is called {split!r}; {nearest(split, facts['splits'])}")
        counts = facts["splits"][split]
        self.dtype = np.dtype(facts["dtype"]).newbyteorder("<")
        # positions in the split of the first token and the first document of each shard
        self._token_starts = list(accumulate((c["tokens"] for c in counts), initial=0))
        self._document_starts = list(accumulate((c["documents"] for c in counts), initial=0))
        self.tokens, self.documents = self._token_starts[-1], self._document_starts[-1]
        self.bytes: int = sum(c["bytes"] for c in counts)

    def _maps(self, part: str, dtype: np.dtype[Any]) -> list[np.ndarray]:
        stems = [f"{self.split}-{k:05d}" for k in range(len(self._token_starts) - 1)]
        return [np.memmap(self.folder / f"{stem}.{part}", dtype, mode="r") for stem in stems]

    @cached_property
    def _ids(self) -> list[np.ndarray]:
        return self._maps("tokens", self.dtype)

    @cached_property
    def _offsets(self) -> list[np.ndarray]:
        return self._maps("offsets", np.dtype("<i8"))

    @cached_property
    def _bytes(self) -> list[np.ndarray]:
        return self._maps("bytes", np.dtype("<i8"))

    @cached_property
    def _flags(self) -> list[np.ndarray]:
        return self._maps(BOUNDS, np.dtype("u1"))

    def _shard_of_document(self, i: int) -> tuple[int, int]:
        if not 0 <= i < self.documents:
            raise IndexError(f"document {i} of {self.documents}")
        shard = bisect_right(self._document_starts, i) - 1
        return shard, i - self._document_starts[shard]

    def document(self, i: int) -> np.ndarray:
        """Return the ids of document i, including bos and eos, [n] int64."""
        shard, k = self._shard_of_document(i)
        start, stop = self._offsets[shard][k : k + 2]
        return self._ids[shard][start:stop].astype(np.int64)

    def documents_around(self, start: int, stop: int) -> tuple[int, int]:
        """Return the range [first, last) of positions of all documents with a token in [start, stop)."""
        return self._document_of(start)[0], self._document_of(stop - 1)[1]

    def _document_of(self, position: int) -> tuple[int, int]:
        """Return the range [first, last) of positions of the document at a position."""
        shard = bisect_right(self._token_starts, position) - 1
        base, offsets = self._token_starts[shard], self._offsets[shard]
        k = int(np.searchsorted(offsets, position - base, "right"))
        return base + int(offsets[k - 1]), base + int(offsets[k])

    def document_bytes(self, i: int) -> int:
        """Return the UTF-8 bytes of the text of document i."""
        shard, k = self._shard_of_document(i)
        return int(self._bytes[shard][k])

    def pieces(self, start: int, stop: int, overlap: int = 0) -> list[np.ndarray]:
        """Return the ids at positions [start, stop) as int64, one array per document.

        If the last document continues after `stop`, up to `overlap` more of its tokens are added.
        """
        return [piece.astype(np.int64) for piece in self._cut(self._ids, start, stop, overlap)]

    def bounds(self, start: int, stop: int, overlap: int = 0) -> list[np.ndarray]:
        """Return the flags [n] uint8 (`danlu.tokens.bounds`) of the tokens that `pieces` returns."""
        return [np.array(piece) for piece in self._cut(self._flags, start, stop, overlap)]

    def _cut(self, values: list[np.ndarray], start: int, stop: int, overlap: int) -> list[np.ndarray]:
        if not 0 <= start <= stop <= self.tokens:
            raise IndexError(f"tokens {start} .. {stop} of {self.tokens}")
        found = []
        shard = bisect_right(self._token_starts, start) - 1
        while start < stop:
            base, end = self._token_starts[shard], min(stop, self._token_starts[shard + 1])
            found += self._shard_pieces(values[shard], shard, start - base, end - base, overlap)
            start, shard = end, shard + 1
        return found

    def _shard_pieces(self, values: np.ndarray, shard: int, start: int, stop: int, overlap: int) -> list[np.ndarray]:
        """Return the pieces of one shard. No document spans two shards."""
        offsets = self._offsets[shard]
        first = int(np.searchsorted(offsets, start, "right")) - 1
        last = int(np.searchsorted(offsets, stop, "left"))
        bounds = [int(b) for b in offsets[first : last + 1]]
        found = []
        for low, high in pairwise(bounds):
            piece_stop = min(stop + overlap, high)
            found.append(values[max(low, start) : piece_stop])
        return found


def decodes_exactly(store: TokenStore, texts: Iterable[str], tokenizer: TextTokenizer) -> bool:
    """Return whether the stored tokens of some texts decode to exactly these texts."""
    decoded_texts = (tokenizer.decode(store.document(i)[1:-1]) for i in range(store.documents))
    return all(decoded == text for decoded, text in zip(decoded_texts, texts, strict=True))
