"""`danlu.load` and `Model`: a trained model that generates, fills blanks, embeds and predicts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from danlu.api.model_folders import FILL, GENERATE, PREDICT, Use, choose_model, other_model
from danlu.architectures import Network
from danlu.errors import WrongInput, nearest
from danlu.evaluation.blank_filling import blank_probabilities, fill_jointly, top_candidates
from danlu.evaluation.embedding import POOLINGS, embed
from danlu.evaluation.generation import Sampling, generate_many
from danlu.evaluation.neighbours import nearest_tokens
from danlu.evaluation.text_to_text import BLANK, rewrite_many, rewrites
from danlu.interop import read_model
from danlu.interop.model_folder import ModelFacts
from danlu.tasks.predictor import Predictor
from danlu.text.scripts import script_of
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.precision import Device, Machine, resolve_device, usable_cores

log = logging.getLogger(__name__)


class Model:
    """A trained model with its tokenizer, as `danlu.load` returns it."""

    def __init__(
        self,
        network: Network,
        tokenizer: TextTokenizer,
        context: int,
        predictor: Predictor | None = None,
        folder: Path | None = None,
    ):
        self.network, self.tokenizer, self.context = network.eval(), tokenizer, context
        self.predictor, self.folder = predictor, folder

    def _unsupported(self, reason: str, use: Use | None = None) -> WrongInput:
        """Return the error for a use that the objective of the model does not support, with a model that does."""
        other = None if use is None else other_model(self.folder, use)
        hint = "" if other is None else f", such as {other}"
        return WrongInput(f"this model {self.network.objective.origin}, which {reason}{hint}")

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
            raise self._unsupported("does not continue text; load a causal one", GENERATE)
        streams = [self.tokenizer.stream() for _ in prompts]
        generated = [""] * len(prompts)

        def watch(k: int, token: int) -> bool:
            piece = streams[k].add(token)
            generated[k] += piece
            show(k, piece)
            return any(text in generated[k] for text in stop)

        ids = [self.tokenizer.encode(prompt) for prompt in prompts]
        generate_many(self.network, ids, self.tokenizer.vocabulary, sampling, self.context, self._machine, watch)
        return [prompt + before_stop(text, stop) for prompt, text in zip(prompts, generated, strict=True)]

    @property
    def rewrites_text(self) -> bool:
        """Whether the model rewrites a text, such as one with blanks to the filled text."""
        return rewrites(self.network.objective)

    def _rewrite(
        self, texts: Sequence[str], sampling: Sampling, stop: Sequence[str], show: Callable[[int, str], None]
    ) -> list[str]:
        """Rewrite texts; `show` is called once for each, since blanks are not filled from left to right."""
        parts = [[self.tokenizer.encode(part) for part in BLANK.split(text)] for text in texts]
        rewritten = rewrite_many(self.network, parts, self.tokenizer.vocabulary, sampling, self.context, self._machine)
        results = [before_stop(self.tokenizer.decode(ids), stop) for ids in rewritten]
        for k, text in enumerate(results):
            show(k, text)
        return results

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
            raise self._unsupported("does not fill blanks; load a masked one", FILL)
        ids, at = self._encode_with_blanks(text)
        vocabulary = self.tokenizer.vocabulary
        ordinary = np.zeros(self.network.vocabulary_size, bool)  # may be larger than the tokenizer's vocabulary
        ordinary[: vocabulary.size] = vocabulary.ordinary(np.arange(vocabulary.size))
        if joint:
            filled = fill_jointly(self.network, ids, at, ordinary)
            fillings = []
            for position in at:
                masked = filled.copy()
                masked[position] = vocabulary.require_mask()
                probabilities = blank_probabilities(self.network, masked, np.array([position]), ordinary)[0]
                token = filled[position]
                fillings.append([(self.tokenizer.token(int(token)), float(probabilities[token]))])
            return fillings
        return [
            [(self.tokenizer.token(c.id), c.probability) for c in top_candidates(probabilities, top)]
            for probabilities in blank_probabilities(self.network, ids, at, ordinary)
        ]

    def _encode_with_blanks(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of a text with special tokens, and the positions of its blanks."""
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
            raise self._unsupported("has no token embeddings")
        vocabulary = self.tokenizer.vocabulary
        with_space, without = self.tokenizer.encode(f" {word}"), self.tokenizer.encode(word)
        ids = with_space if len(with_space) <= len(without) else without  # as inside a text, unless it has more tokens
        ids = ids[vocabulary.ordinary(ids)]
        all_ids = np.arange(vocabulary.size)
        candidates = all_ids[vocabulary.ordinary(all_ids)]
        if not len(ids) or not word.strip() or self._is_spelled_out(word, ids):
            known = [self.tokenizer.token(int(i)).strip() for i in candidates]
            close = get_close_matches(word, known, n=1) if word.strip() else []
            raise WrongInput(
                f"{word!r} is not in the vocabulary{self._spelling(ids)}; "
                + (f"did you mean {close[0]!r}?" if close else "give another word")
            )
        nearest_ids = nearest_tokens(self.network, ids, candidates, top)
        return [(self.tokenizer.token(i), cosine) for i, cosine in nearest_ids]

    def _is_spelled_out(self, word: str, ids: np.ndarray) -> bool:
        """Whether a word is unknown: a token is part of a character, or at least half of several are single letters."""
        tokens = [self.tokenizer.token(int(i)).strip() for i in ids]
        letters = [token for token in tokens if len(token) <= 1 and script_of(token or " ") != "Han"]
        partial = any(self.tokenizer.token(int(i)).startswith("\\x") for i in ids)
        return partial or (len(tokens) > 1 and 2 * len(letters) >= len(tokens))

    def _spelling(self, ids: np.ndarray) -> str:
        """Describe the tokens of an unknown word."""
        return f" (its tokens: {'|'.join(self.tokenizer.token(int(i)) for i in ids)})" if len(ids) > 1 else ""

    def embed(self, texts: Sequence[str], pooling: str = "mean", normalize: bool = True) -> np.ndarray:
        """Embed texts.

        Texts longer than the context are truncated, with a warning in the log.

        Args:
            pooling: `mean` of all positions, the `first` one (BERT's [CLS]), or the `last` one (the only position of a
                causal model that attends to the whole text).
            normalize: scale each vector to length 1.

        Returns:
            One vector for each text, [n, width] float32.
        """
        if pooling not in POOLINGS:
            raise WrongInput(f"unknown pooling {pooling!r}; {nearest(pooling, POOLINGS)}")
        if "token" not in self.network.embeddings:
            raise self._unsupported("does not read text; load a model that was trained on text")
        vocabulary = self.tokenizer.vocabulary
        bos, eos = [vocabulary.bos], [vocabulary.eos]
        encoded = [np.concatenate([bos, ids, eos]) for ids in self.tokenizer.encode_batch(list(texts))]
        if too_long := sum(len(ids) > self.context for ids in encoded):
            log.warning(
                "%d of %d texts are longer than %d tokens and were truncated", too_long, len(encoded), self.context
            )
        order = self.network.objective.reading_order
        return embed(self.network, [ids[: self.context] for ids in encoded], order, pooling, normalize)

    def predict(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the prediction of a fine-tuned model for each input, in the format of its task.

        Raises:
            WrongInput: if the model was not fine-tuned.
        """
        return self._answer(inputs, "makes no predictions for a task")

    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return {label: probability} for each text, the most probable label first.

        Raises:
            WrongInput: if the model was not fine-tuned, or for a task that predicts something else.
        """
        if self.predictor is not None and not self.predictor.predicts_probabilities:
            raise self._unsupported(
                f"was fine-tuned for a task without classes ({self.predictor.name}); in Python, use "
                "danlu.load(...).predict(inputs)"
            )
        return self._answer(texts, "does not classify")

    def _answer(self, inputs: Sequence[Any], reason: str) -> list[Any]:
        if self.predictor is None:
            raise self._unsupported(f"{reason}; load a fine-tuned model (RUN/tasks/NAME)", PREDICT)
        return self.predictor.answer(self.network, self.tokenizer, inputs)


def before_stop(text: str, stop: Sequence[str]) -> str:
    """Cut a text before the first of the stop texts that it contains."""
    return text[: min([len(text), *(text.find(end) for end in stop if end in text)])]


def load(path: str | Path, device: Device = "cpu") -> Model:
    """Load a trained model.

    Args:
        path: a model folder (`runs/NAME/model/MODEL`, `runs/NAME/tasks/TASK/model`), `runs/NAME/tasks/TASK`, or a run
            directory. Of the models of a run, the first one that continues or rewrites text is loaded.
        device: "cpu", "cuda" or "auto", which is a GPU if there is one.

    Raises:
        WrongInput: if there is no model, or no such device.
    """
    torch_device = resolve_device(device, "device")
    folder = choose_model(path, LOAD)
    saved = read_model(folder)
    return Model(saved.network.to(torch_device), saved.tokenizer, saved.network.context, saved.facts.predictor, folder)


def _load_rank(facts: ModelFacts, folder: Path) -> int:
    """Rank models that generate text first, then other pre-trained ones, then fine-tuned ones."""
    generates = facts.objective.continues_text or facts.objective.rewriter is not None
    return 2 if facts.predictor is not None else int(not generates)


LOAD = Use(_load_rank, "can be loaded")
