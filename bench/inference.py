"""Generation beside transformers' `generate`, embedding beside sentence-transformers, from the same weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from bench.sides import Side
from bench.speed import folder, parts, texts
from danlu.api.model import Model, load
from danlu.architectures import build_network
from danlu.evaluation.generation import Sampling
from danlu.interop import export
from danlu.interop.quiet_transformers import quiet_transformers
from danlu.training.precision import resolve_machine

NEW, PROMPT, TEXTS = 96, "Return the first item of the list that is", 256


def saved(objective: str, size: str) -> Path:
    """An exported model with fresh weights: speed does not depend on them."""
    path = folder() / f"{objective}-{size}"
    chosen, architecture = parts(objective, size)
    tokenizer = texts().data.tokenizer
    network = build_network(chosen, architecture, tokenizer.vocabulary.size, 0)  # type: ignore[arg-type]
    export(network.eval(), tokenizer, path, chosen, architecture)  # type: ignore[arg-type]
    return path


def lines() -> list[str]:
    found = []
    for text in texts().data.corpus.texts("validation"):
        found.append(text)
        if len(found) == TEXTS:
            break
    return found


def our_generation(path: Path, prompts: int) -> float:
    """Seconds for `NEW` tokens after each of so many equal prompts."""
    resolve_machine().apply()
    model: Model = load(path)
    ids = model.tokenizer.vocabulary
    start = time.perf_counter()
    from danlu.evaluation.generation import generate_many

    prompt = model.tokenizer.encode(PROMPT)
    sampling = Sampling(tokens=NEW, temperature=0)
    made = generate_many(model.network, [prompt] * prompts, ids, sampling, model.context, model._machine)
    return (time.perf_counter() - start) / sum(map(len, made)) * NEW * prompts


def their_generation(path: Path, prompts: int) -> float:
    with quiet_transformers() as transformers:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        model = transformers.AutoModelForCausalLM.from_pretrained(path).eval()
        given = tokenizer([PROMPT] * prompts, return_tensors="pt")
        start = time.perf_counter()
        made = model.generate(**given, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False)
        spent = time.perf_counter() - start
    return spent / ((made.shape[1] - given["input_ids"].shape[1]) * prompts) * NEW * prompts


def our_embedding(path: Path) -> float:
    resolve_machine().apply()
    model, given = load(path), lines()
    model.embed(given[:8])
    start = time.perf_counter()
    model.embed(given)
    return time.perf_counter() - start


def their_embedding(path: Path) -> float:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    with quiet_transformers():
        body = Transformer(str(path))
        model = SentenceTransformer(modules=[body, Pooling(body.get_embedding_dimension(), "mean")], device="cpu")
        given = lines()
        model.encode(given[:8])
        start = time.perf_counter()
        model.encode(given, normalize_embeddings=True, show_progress_bar=False)
        return time.perf_counter() - start


def measure(ours: Side, theirs: Side, rounds: int) -> dict[str, Any]:
    """Seconds of each, the median of the rounds."""
    import statistics

    found: dict[str, Any] = {}
    speaks, reads = ours.ask(saved, "causal", "7M"), ours.ask(saved, "masked", "7M")
    asked = {
        f"{NEW} tokens after one prompt": (our_generation, their_generation, (speaks, 1)),
        f"{NEW} tokens after 16 prompts": (our_generation, their_generation, (speaks, 16)),
        f"{TEXTS} texts to vectors": (our_embedding, their_embedding, (reads,)),
    }
    for name, (mine, peers, given) in asked.items():
        taken = [(ours.ask(mine, *given), theirs.ask(peers, *given)) for _ in range(rounds)]
        found[name] = {
            "danlu": statistics.median(a for a, _ in taken),
            "peer": statistics.median(b for _, b in taken),
            "ratio": statistics.median(b / a for a, b in taken),
        }
        print(
            f"  {name:30s} danlu {found[name]['danlu']:6.2f} s, peer {found[name]['peer']:6.2f} s: "
            f"{found[name]['ratio']:.2f} times as fast",
            flush=True,
        )
    return found
