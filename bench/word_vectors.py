"""Compare skip-gram with gensim: `python -m bench.word_vectors [--rounds 3] [--epochs 5] [--threads 2]`.

Both train in turn on the words of builtin:pydocs, with 100 dimensions, windows of 5, 5 noise words and subsampling at
1e-3. Speed is words per second of the training loop, counted before subsampling. Quality is the share of held-out word
pairs that score above a noise word, computed by danlu for both.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.workers import DANLU_ENVIRONMENT, Worker
from danlu.architectures import Network, build_network
from danlu.config.loading import load_recipe
from danlu.config.schema import ModelRecipe
from danlu.runs.prepare_data import Data
from danlu.runs.unit_source import RunSource
from danlu.text.corpus import build_corpus
from danlu.tokens.shards import write_shards
from danlu.training.budget import Budget
from danlu.training.checkpoint import Checkpoints
from danlu.training.journal import Journal
from danlu.training.loop import Job, train
from danlu.training.plan import make_plan
from danlu.training.precision import Machine
from danlu.training.samples import RowSamples
from danlu.training.step import micro_batches
from danlu.training.training_options import apply_training_options

LONGEST_SENTENCE = 10_000
"""Words of a sentence that gensim reads; it drops the rest."""

RESULTS = Path(__file__).with_name("word_vectors.json")


@functools.cache
def temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="bench-"))


@functools.cache
def source() -> RunSource:
    """Return the text of the shipped recipe."""
    recipe = load_recipe("skipgram")
    corpus = build_corpus(recipe.corpus)
    tokenizer = recipe.tokenizer.train(corpus.texts("train"))
    return RunSource(Data(corpus, tokenizer, write_shards(corpus, tokenizer)), temporary_folder() / "units", {})


@functools.cache
def sentences() -> list[np.ndarray]:
    """Return the training documents without special tokens, split into sentences that gensim reads completely."""
    store, vocabulary = source().store("train"), source().vocabulary
    documents = (store.document(i) for i in range(store.documents))
    texts = [ids[vocabulary.ordinary(ids)] for ids in documents]
    return [part for text in texts for part in np.split(text, range(LONGEST_SENTENCE, len(text), LONGEST_SENTENCE))]


def word_count() -> int:
    return sum(len(part) for part in sentences())


def recipe_of(overrides: tuple[str, ...]) -> ModelRecipe:
    return load_recipe("skipgram", overrides).models["words"]


def our_round(epochs: int, threads: int, overrides: tuple[str, ...] = ()) -> tuple[float, float]:
    """Train with danlu; return words per second and the share of pairs above noise."""
    recipe, machine = recipe_of(overrides), Machine("cpu", "float32", threads)
    machine.apply()
    settings = recipe.training.model_copy(update={"budget": Budget(epochs, "epochs"), "validations": 1, "keep": "last"})
    model = build_network(recipe.objective, recipe.architecture, source().vocabulary.size, settings.seed)
    apply_training_options(model, settings)
    units = recipe.objective.units(source(), "train")
    samples = RowSamples(units.rows, units.tokens_per_unit, source().vocabulary, settings.seed)
    plan = make_plan(settings, model, recipe.objective, samples, machine, None)
    with tempfile.TemporaryDirectory() as place:
        journal = Journal(Path(place) / "metrics.jsonl")
        job = Job(
            "bench", model, recipe.objective, samples, settings, plan, Checkpoints(Path(place) / "saved"), journal
        )
        start = time.perf_counter()
        train(job)
        seconds = time.perf_counter() - start
        journal.close()
    return plan.steps * plan.step_units / samples.units * word_count() / seconds, pairs_above_noise(model.eval())


def their_round(epochs: int, threads: int) -> tuple[float, float]:
    """Train with gensim; return words per second and the share of pairs above noise."""
    from gensim.models import Word2Vec

    recipe = recipe_of(())
    text = [[str(i) for i in part] for part in sentences()]
    objective, width = recipe.objective, recipe.architecture.width
    model = Word2Vec(
        vector_size=width, window=objective.window, negative=objective.negatives, sample=objective.sample,
        sg=1, min_count=1, workers=threads, seed=1, ns_exponent=objective.noise_power,
    )  # fmt: skip
    model.build_vocab(text)
    start = time.perf_counter()
    model.train(text, total_examples=len(text), epochs=epochs)
    seconds = time.perf_counter() - start
    ours = build_network(objective, recipe.architecture, source().vocabulary.size, 0)
    at = [int(word) for word in model.wv.index_to_key]
    with torch.no_grad():
        ours.embeddings["token"].weight[at] = torch.from_numpy(model.wv.vectors)  # type: ignore[index]
        ours.head.context.weight[at] = torch.from_numpy(model.syn1neg)  # type: ignore[union-attr]
    return epochs * word_count() / seconds, pairs_above_noise(ours.eval())


@torch.no_grad()
def pairs_above_noise(model: Network) -> float:
    objective: Any = model.objective
    units = objective.units(source(), "validation")
    samples = RowSamples(units.rows, units.tokens_per_unit, source().vocabulary, 0, shuffled=False)
    batches = micro_batches(objective, samples, 0, samples.units, 2, 1.0)
    return objective.judge(model, model.head, batches, source())["figures"]["pairs_above_noise"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.word_vectors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    ours, theirs = Worker(DANLU_ENVIRONMENT), Worker({})
    found: dict[str, list[tuple[float, float]]] = {"danlu": [], "gensim": []}
    for _ in range(arguments.rounds):
        found["gensim"].append(theirs.call(their_round, arguments.epochs, arguments.threads))
        found["danlu"].append(ours.call(our_round, arguments.epochs, arguments.threads))
    ours.close()
    theirs.close()
    results: dict[str, Any] = {"epochs": arguments.epochs, "threads": arguments.threads}
    for name, rounds in found.items():
        rate, above = (statistics.median(column) for column in zip(*rounds, strict=True))
        results[name] = {"words_per_second": rate, "pairs_above_noise": above}
        print(f"{name:8s} {rate:10,.0f} words per second; held-out pairs above noise {above:.3f}")
    pairs = zip(found["danlu"], found["gensim"], strict=True)
    results["danlu_over_gensim"] = statistics.median(
        ours_rate / theirs_rate for (ours_rate, _), (theirs_rate, _) in pairs
    )
    print(f"danlu over gensim {results['danlu_over_gensim']:.3f}")
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
