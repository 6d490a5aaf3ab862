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
from danlu.tasks.predictor import Predictor
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.precision import Device, Machine, resolve_device, usable_cores

log = logging.getLogger(__name__)


class Model:
    """A trained model with its tokenizer, as `danlu.load` returns it."""

    def __init__(self, network: Network, tokenizer: TextTokenizer, context: int, predictor: Predictor | None = None):
        self.network, self.tokenizer, self.context = network.eval(), tokenizer, context
        self.predictor = predictor

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
        """Continue a prompt, or rewrite it if the model rewrites text.

        A model that rewrites text fills the blanks of the prompt, written `<mask>`, `[MASK]` or `___`, with spans of
        any length, or restores a noisy text.

        Args:
            tokens: generate at most this many tokens.
            stop: texts that end the continuation; it does not include them.
            show: called with each new piece of text that consists of whole characters.

        Returns:
            The prompt and its continuation, or the rewritten text.

        Raises:
            WrongInput: if the model neither continues nor rewrites text.
        """
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
        """Generate for several prompts at once; each result is that of `generate`."""
        return self._continue(prompts, sampling, stop, lambda _, text: None)

    def _continue(
        self, prompts: Sequence[str], sampling: Sampling, stop: Sequence[str], show: Callable[[int, str], None]
    ) -> list[str]:
        if self.rewrites_text:
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
    def rewrites_text(self) -> bool:
        """Whether the model maps one text to another, such as a text with blanks to the filled text."""
        return rewrites(self.network.objective)

    def _rewrite(
        self, texts: Sequence[str], sampling: Sampling, stop: Sequence[str], show: Callable[[int, str], None]
    ) -> list[str]:
        """Rewrite texts; `show` is called once for each, since blanks are not filled from left to right."""
        parts = [[self.tokenizer.encode(part) for part in BLANK.split(text)] for text in texts]
        made = rewrite_many(self.network, parts, self.tokenizer.vocabulary, sampling, self.context, self._machine)
        found = [self.tokenizer.decode(ids) for ids in made]
        found = [text[: min([len(text), *(text.find(end) for end in stop if end in text)])] for text in found]
        for k, text in enumerate(found):
            show(k, text)
        return found

    def fill(self, text: str, top: int = 5, joint: bool = False) -> list[list[tuple[str, float]]]:
        """Predict the tokens at the blanks of a text, written `<mask>`, `[MASK]` or `___`.

        Args:
            top: the number of candidates for each blank.
            joint: fill the blanks one after another, the most certain first; each then has a single candidate, with
                its probability given all other fillings.

        Returns:
            For each blank its candidates and their probabilities, the most probable first.

        Raises:
            WrongInput: if the text has no blank, or the model does not fill blanks.
        """
        if not self.network.objective.fills_blanks:
            raise self._refusal("does not fill blanks; load a masked one")
        ids, at = self._with_blanks(text)
        vocabulary = self.tokenizer.vocabulary
        ordinary = np.zeros(self.network.vocabulary_size, bool)  # padded beyond the tokenizer
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
        """Return the ids of a text with its special tokens, and the positions of its blanks."""
        parts = BLANK.split(text)
        if len(parts) == 1:
            raise WrongInput("the text has no blank; mark each blank with <mask>, [MASK] or ___")
        vocabulary = self.tokenizer.vocabulary
        mask = vocabulary.require_mask()
        pieces = [np.array([vocabulary.bos])]
        for k, part in enumerate(parts):
            pieces += [np.array([mask])] * (k > 0) + [self.tokenizer.encode(part)]
        ids = np.concatenate([*pieces, [vocabulary.eos]]).astype(np.int64)
        if len(ids) > self.context:
            raise WrongInput(
                f"the text has {len(ids)} tokens, more than the model's context of {self.context}; shorten it"
            )
        return ids, np.flatnonzero(ids == mask)

    def neighbours(self, word: str, top: int = 10) -> list[tuple[str, float]]:
        """Return the tokens nearest to a word and their cosine similarities, the nearest first.

        A word of several tokens is represented by the mean of their embeddings.

        Raises:
            WrongInput: if the word is not in the vocabulary.
        """
        if "token" not in self.network.embeddings:
            raise self._refusal("has no token embeddings")
        vocabulary = self.tokenizer.vocabulary
        spaced, bare = self.tokenizer.encode(f" {word}"), self.tokenizer.encode(word)
        ids = spaced if len(spaced) <= len(bare) else bare  # as inside a text, unless that takes more tokens
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
        """Embed texts.

        Texts longer than the context are truncated, with a warning in the log.

        Args:
            pooling: `mean` of all positions, the `first` one (BERT's [CLS]), or the `last` one, the only position of a
                causal model that has attended to the whole text.
            normalize: scale each vector to length 1.

        Returns:
            One vector for each text, [n, width] float32.
        """
        if pooling not in POOLINGS:
            raise WrongInput(f"no pooling is called {pooling!r}; {nearest(pooling, POOLINGS)}")
        if "token" not in self.network.embeddings:
            raise self._refusal("does not read text; load a model that was trained on text")
        v = self.tokenizer.vocabulary
        encoded = [np.concatenate([[v.bos], ids, [v.eos]]) for ids in self.tokenizer.encode_batch(list(texts))]
        if long := sum(len(ids) > self.context for ids in encoded):
            log.warning("%d of %d texts are longer than %d tokens and were truncated", long, len(encoded), self.context)
        order = self.network.objective.reading_order
        return embed(self.network, [ids[: self.context] for ids in encoded], order, pooling, normalize)

    def predict(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the prediction of a fine-tuned model for each input, in the format of its task.

        Raises:
            WrongInput: if the model was not fine-tuned.
        """
        return self._answers(inputs, "predicts nothing of a text")

    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return {label: probability} for each text, the most probable label first.

        Raises:
            WrongInput: if the model was not fine-tuned.
        """
        return self._answers(texts, "does not classify")

    def _answers(self, inputs: Sequence[Any], refusal: str) -> list[Any]:
        if self.predictor is None:
            raise self._refusal(f"{refusal}; load a fine-tuned model (RUN/tasks/NAME/model)")
        return self.predictor.answer(self.network, self.tokenizer, inputs)


def load(path: str | Path, device: Device = "cpu") -> Model:
    """Load a trained model.

    Args:
        path: a model folder (`runs/NAME/model/MODEL`, `runs/NAME/tasks/TASK/model`) or a run directory. Of the models
            of a run, the first one that continues or rewrites text is loaded.
        device: "cpu", "cuda" or "auto", which is a GPU if there is one.

    Raises:
        WrongInput: if there is no model, or no such device.
    """
    folder, place = Path(path), resolve_device(device, "device")
    tuned = sorted(folder.glob("tasks/*/model"))
    if tuned and not (folder / "model").exists():
        return load(tuned[0], device)
    if (folder / "model").is_dir() and not (folder / "config.json").exists():
        found = [
            load(f, device) for f in sorted((folder / "model").iterdir()) if f.is_dir() and not f.name.startswith(".")
        ]
        speaking = [m for m in found if m.network.objective.continues_text or m.rewrites_text]
        if not found:
            raise WrongInput(f"{folder} holds no finished model yet; run its recipe to the end first")
        return (speaking or found)[0]
    saved = read_model(folder)
    return Model(saved.network.to(place), saved.tokenizer, saved.network.context, saved.facts.predictor)
