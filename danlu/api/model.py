"""A trained model, ready to use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from danlu.architectures import Network
from danlu.errors import WrongInput, nearest
from danlu.evaluation.blank_filling import best, blanks, fill_jointly
from danlu.evaluation.embedding import POOLINGS, embed
from danlu.evaluation.generation import Sampling, generate_many
from danlu.evaluation.neighbours import neighbours
from danlu.evaluation.text_to_text import BLANK, rewrite_many, rewrites
from danlu.interop import read_model
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.precision import Device, Machine, resolve_device, usable_cores

pass

log = logging.getLogger(__name__)


class Model:
    """What `danlu.load` gives: the model and its tokenizer."""

    def __init__(self, network: Network, tokenizer: TextTokenizer, context: int, head: Any = None):
        self.network, self.tokenizer, self.context, self.head = network.eval(), tokenizer, context, head

    def _refusal(self, what: str) -> WrongInput:
        objective = self.network.objective
        return WrongInput(f"this model {objective.origin}, which {what}")

    @property
    def _machine(self) -> Machine:
        return Machine(str(self.network.device.type), "float32", usable_cores())

    def generate(
        self,
        prompt: str,
        tokens: int = 60,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float = 0.95,
        seed: int = 0,
        repetition_penalty: float = 1.0,
        stop: Sequence[str] = (),
        show: Callable[[str], None] = lambda text: None,
    ) -> str:
        """`prompt` and its continuation, which ends before the first of the texts `stop`; `show` is given each new
        piece of text as soon as its characters are whole.

        A model that rewrites text gives what it writes for `prompt` instead, of which `tokens` are new at most: the
        text with its blanks, written `<mask>`, `[MASK]` or `___`, filled by spans of any length, or the noisy text
        restored. WrongInput when the model does neither."""
        sampling = Sampling(
            tokens=tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            repetition_penalty=repetition_penalty,
        )
        return self._continue([prompt], sampling, stop, lambda _, text: show(text))[0]

    def generate_many(self, prompts: Sequence[str], sampling: Sampling, stop: Sequence[str] = ()) -> list[str]:
        """`generate` for several prompts at once, each as it would be alone."""
        return self._continue(prompts, sampling, stop, lambda _, text: None)

    def _continue(
        self, prompts: Sequence[str], sampling: Sampling, stop: Sequence[str], show: Callable[[int, str], None]
    ) -> list[str]:
        if self.rewrites:
            return self._rewrite(prompts, sampling, stop, show)
        if not self.network.objective.continues_text:
            raise self._refusal("does not continue text; load a causal one")
        streams = [self.tokenizer.stream() for _ in prompts]
        made = [""] * len(prompts)

        def watch(k: int, token: int) -> bool:
            piece = streams[k].add(token)
            made[k] += piece
            show(k, piece)
            return any(text in made[k] for text in stop)

        ids = [self.tokenizer.encode(prompt) for prompt in prompts]
        generate_many(self.network, ids, self.tokenizer.vocabulary, sampling, self.context, self._machine, watch)
        cut = [min([len(text), *(text.find(end) for end in stop if end in text)]) for text in made]
        return [prompt + text[:end] for prompt, text, end in zip(prompts, made, cut, strict=True)]

    @property
    def rewrites(self) -> bool:
        """Whether the model reads one text and writes another."""
        return rewrites(self.network.objective)

    def _rewrite(
        self, texts: Sequence[str], sampling: Sampling, stop: Sequence[str], show: Callable[[int, str], None]
    ) -> list[str]:
        """What it writes shows once it is whole: what fills a blank has its place before what is there already."""
        parts = [[self.tokenizer.encode(part) for part in BLANK.split(text)] for text in texts]
        made = rewrite_many(self.network, parts, self.tokenizer.vocabulary, sampling, self.context, self._machine)
        found = [self.tokenizer.decode(ids) for ids in made]
        found = [text[: min([len(text), *(text.find(end) for end in stop if end in text)])] for text in found]
        for k, text in enumerate(found):
            show(k, text)
        return found

    def fill(self, text: str, top: int = 5, joint: bool = False) -> list[list[tuple[str, float]]]:
        """For each blank of `text`, written `<mask>`, `[MASK]` or `___`, its `top` likeliest tokens and their
        probabilities, likeliest first, each blank on its own.

        joint: the blanks are filled one after another, the surest first, and each has one candidate: its probability
        given all that were filled. WrongInput without a blank, or when the model does not fill blanks.
        """
        if not self.network.objective.fills_blanks:
            raise self._refusal("does not fill blanks; load a masked one")
        ids, at = self._with_blanks(text)
        vocabulary = self.tokenizer.vocabulary
        ordinary = np.zeros(self.network.vocabulary_size, bool)  # the model's may be padded beyond the tokenizer's
        ordinary[: vocabulary.size] = vocabulary.ordinary(np.arange(vocabulary.size))
        if joint:
            whole = fill_jointly(self.network, ids, at, ordinary)
            found = []
            for place in at:
                hidden = whole.copy()
                hidden[place] = vocabulary.require_mask()
                chances = blanks(self.network, hidden, np.array([place]), ordinary)[0]
                found.append([(self.tokenizer.token(int(whole[place])), float(chances[whole[place]]))])
            return found
        chances = blanks(self.network, ids, at, ordinary)
        return [[(self.tokenizer.token(c.id), c.probability) for c in best(row, top)] for row in chances]

    def _with_blanks(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """The ids of a text between its beginning and end tokens, and where its blanks are."""
        parts = BLANK.split(text)
        if len(parts) == 1:
            raise WrongInput("the text has no blank; write <mask>, [MASK] or ___ where something is to be filled in")
        vocabulary = self.tokenizer.vocabulary
        mask = vocabulary.require_mask()
        pieces = [np.array([vocabulary.bos])]
        for k, part in enumerate(parts):
            pieces += [np.array([mask])] * (k > 0) + [self.tokenizer.encode(part)]
        ids = np.concatenate([*pieces, [vocabulary.eos]]).astype(np.int64)
        if len(ids) > self.context:
            raise WrongInput(f"the text has {len(ids)} tokens, the model reads {self.context}; shorten it")
        return ids, np.flatnonzero(ids == mask)

    def neighbours(self, word: str, top: int = 10) -> list[tuple[str, float]]:
        """The tokens whose vectors are nearest to that of `word`, and their cosines, nearest first. A word of several
        tokens has the mean of their vectors. WrongInput when the model knows nothing of the word."""
        if "token" not in self.network.embeddings:
            raise self._refusal("has no vectors of tokens")
        vocabulary = self.tokenizer.vocabulary
        spaced, bare = self.tokenizer.encode(f" {word}"), self.tokenizer.encode(word)
        ids = spaced if len(spaced) <= len(bare) else bare  # as it stands inside a text, where that is one token
        ids = ids[vocabulary.ordinary(ids)]
        entries = np.arange(vocabulary.size)
        candidates = entries[vocabulary.ordinary(entries)]
        if not len(ids):
            known = [self.tokenizer.token(int(i)).strip() for i in candidates]
            close = get_close_matches(word, known, n=1)
            raise WrongInput(
                f"{word!r} is not in the vocabulary; " + (f"did you mean {close[0]!r}?" if close else "name another")
            )
        found = neighbours(self.network, ids, candidates, top)
        return [(self.tokenizer.token(i), cosine) for i, cosine in found]

    def embed(self, texts: Sequence[str], pooling: str = "mean", normalize: bool = True) -> np.ndarray:
        """[n, width] float32: one vector for each text. pooling: `mean` of all positions, the `first` (BERT's [CLS])
        or the `last`, which is what a causal model has read to. Texts longer than the context are cut; it is logged."""
        if pooling not in POOLINGS:
            raise WrongInput(f"no pooling is called {pooling!r}; {nearest(pooling, POOLINGS)}")
        if "token" not in self.network.embeddings:
            raise self._refusal("reads no text; load a model that was trained on text")
        v = self.tokenizer.vocabulary
        encoded = [np.concatenate([[v.bos], ids, [v.eos]]) for ids in self.tokenizer.encode_batch(list(texts))]
        if long := sum(len(ids) > self.context for ids in encoded):
            log.warning("%d of %d texts are longer than %d tokens and were cut", long, len(encoded), self.context)
        order = self.network.objective.reading_order
        return embed(self.network, [ids[: self.context] for ids in encoded], order, pooling, normalize)

    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """For each text {label: probability}, the likeliest first. WrongInput when the model was not fine-tuned."""
        if self.head is None:
            raise self._refusal("does not classify; load a fine-tuned model (RUN/tasks/NAME/model)")
        return self.head.answer(self.network, self.tokenizer, texts)


def load(path: str | Path, device: Device = "cpu") -> Model:
    """A model folder (`runs/NAME/model/MODEL`, `runs/NAME/tasks/TASK/model`), or a run directory, from which the first
    model that continues or rewrites text is taken; the directory of a fine-tuning holds one model. device "auto" is a
    GPU where there is one. WrongInput for a device that is not there."""
    folder, place = Path(path), resolve_device(device, "device")
    tuned = sorted(folder.glob("tasks/*/model"))
    if tuned and not (folder / "model").exists():
        return load(tuned[0], device)
    if (folder / "model").is_dir() and not (folder / "config.json").exists():
        found = [
            load(f, device) for f in sorted((folder / "model").iterdir()) if f.is_dir() and not f.name.startswith(".")
        ]
        speaking = [m for m in found if m.network.objective.continues_text or m.rewrites]
        if not found:
            raise WrongInput(f"{folder} holds no finished model yet; run its recipe to the end first")
        return (speaking or found)[0]
    saved = read_model(folder)
    return Model(saved.network.to(place), saved.tokenizer, saved.network.context, saved.facts.head)
