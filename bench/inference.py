"""Compare generation with transformers' `generate` and embedding with sentence-transformers, on the same weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from bench.speed import objective_and_architecture, temporary_folder, texts
from bench.workers import Worker
from danlu.api.model import Model, load
from danlu.architectures import build_network
from danlu.evaluation.generation import Sampling
from danlu.interop import export
from danlu.interop.quiet_transformers import quiet_transformers
from danlu.training.precision import resolve_machine

NEW, PROMPT, TEXTS = 96, "Return the first item of the list that is", 256
"""Tokens to generate, the prompt, and texts to embed."""


def export_random_model(name: str, size: str) -> Path:
    """Export a model with random weights, because speed does not depend on them."""
    path = temporary_folder() / f"{name}-{size}"
    objective, architecture = objective_and_architecture(name, size)
    tokenizer = texts().data.tokenizer
    network = build_network(objective, architecture, tokenizer.vocabulary.size, 0)  # type: ignore[arg-type]
    export(network.eval(), tokenizer, path, objective, architecture)  # type: ignore[arg-type]
    return path


def texts_to_embed() -> list[str]:
    found = []
    for text in texts().data.corpus.texts("validation"):
        found.append(text)
        if len(found) == TEXTS:
            break
    return found


def our_generation(path: Path, prompts: int) -> float:
    """Return the seconds to generate `NEW` tokens after each of several equal prompts."""
    resolve_machine().apply()
    model: Model = load(path)
    vocabulary = model.tokenizer.vocabulary
    start = time.perf_counter()
    from danlu.evaluation.generation import generate_many

    prompt = model.tokenizer.encode(PROMPT)
    sampling = Sampling(tokens=NEW, temperature=0)
    generated = generate_many(model.network, [prompt] * prompts, vocabulary, sampling, model.context, model._machine)
    return (time.perf_counter() - start) / sum(map(len, generated)) * NEW * prompts


def their_generation(path: Path, prompts: int) -> float:
    with quiet_transformers() as transformers:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        model = transformers.AutoModelForCausalLM.from_pretrained(path).eval()
        inputs = tokenizer([PROMPT] * prompts, return_tensors="pt")
        start = time.perf_counter()
        generated = model.generate(**inputs, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False)
        seconds = time.perf_counter() - start
    return seconds / ((generated.shape[1] - inputs["input_ids"].shape[1]) * prompts) * NEW * prompts


def our_embedding(path: Path) -> float:
    resolve_machine().apply()
    model, inputs = load(path), texts_to_embed()
    model.embed(inputs[:8])  # warm-up
    start = time.perf_counter()
    model.embed(inputs)
    return time.perf_counter() - start


def their_embedding(path: Path) -> float:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    with quiet_transformers():
        body = Transformer(str(path))
        model = SentenceTransformer(modules=[body, Pooling(body.get_embedding_dimension(), "mean")], device="cpu")
        inputs = texts_to_embed()
        model.encode(inputs[:8])  # warm-up
        start = time.perf_counter()
        model.encode(inputs, normalize_embeddings=True, show_progress_bar=False)
        return time.perf_counter() - start


def measure(ours: Worker, theirs: Worker, rounds: int) -> dict[str, Any]:
    """Return the seconds of both, and their ratio, as medians over the rounds."""
    import statistics

    found: dict[str, Any] = {}
    decoder = ours.call(export_random_model, "causal", "7M")
    encoder = ours.call(export_random_model, "masked", "7M")
    comparisons = {
        f"{NEW} tokens after one prompt": (our_generation, their_generation, (decoder, 1)),
        f"{NEW} tokens after 16 prompts": (our_generation, their_generation, (decoder, 16)),
        f"{TEXTS} texts to vectors": (our_embedding, their_embedding, (encoder,)),
    }
    for name, (our_function, their_function, arguments) in comparisons.items():
        seconds = [
            (ours.call(our_function, *arguments), theirs.call(their_function, *arguments)) for _ in range(rounds)
        ]
        found[name] = {
            "danlu": statistics.median(a for a, _ in seconds),
            "peer": statistics.median(b for _, b in seconds),
            "ratio": statistics.median(b / a for a, b in seconds),
        }
        print(
            f"  {name:30s} danlu {found[name]['danlu']:6.2f} s, peer {found[name]['peer']:6.2f} s: "
            f"speed-up {found[name]['ratio']:.2f}",
            flush=True,
        )
    return found
