"""The peer: the Trainer of transformers on a model of the same size, with its fastest settings on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.ours import WARMUP_STEPS, Throughput
from danlu.architectures.network import Network
from danlu.architectures.presets import family_for, from_hf
from danlu.interop.quiet_transformers import quiet_transformers
from danlu.settings import Settings
from danlu.tokens.vocabulary import Vocabulary


def peer_model(settings: Settings, objective: Settings, vocabulary: Vocabulary, sparse: bool = False) -> Any:
    """Build the transformers model of the same architecture, with its default initialisation and no dropout.

    sparse: whether ModernBERT computes logits at masked positions only, which is off by default.
    """
    family: Any = family_for(settings, objective)  # type: ignore[arg-type]
    with quiet_transformers() as transformers:
        values = family.config(settings, vocabulary, "float32") | ({"sparse_prediction": True} if sparse else {})
        kind = getattr(transformers, family.class_name)
        torch.manual_seed(0)
        return kind(kind.config_class(**{k: v for k, v in values.items() if k != "architectures"}))


def load_peer_weights(model: Any, ours: Network, settings: Settings, objective: Settings) -> Network:
    """Load the weights of the peer into danlu's network, so that the same code evaluates both."""
    family: Any = family_for(settings, objective)  # type: ignore[arg-type]
    state = {k: v for k, v in model.state_dict().items() if not (k in TIED and settings.tied)}  # type: ignore[attr-defined]
    ours.load_state_dict(from_hf(family.names(settings), state))
    return ours.eval()


TIED = ("lm_head.weight", "decoder.weight")
"""Weights that are copies of the embedding table if it is tied."""


def rows_by_document(
    documents: Sequence[np.ndarray], vocabulary: Vocabulary, context: int
) -> list[dict[str, list[int]]]:
    """Return one row per document, truncated to the context, as the option line_by_line of run_mlm.py does."""
    rows = []
    for ids in documents:
        text = [i for i in ids.tolist() if i not in (vocabulary.bos, vocabulary.eos)]
        rows.append({"input_ids": [vocabulary.bos, *text[: context - 2], vocabulary.eos]})
    return rows


def group_texts(documents: Sequence[np.ndarray], context: int) -> list[dict[str, list[int]]]:
    """Concatenate all documents and split them into rows of `context` tokens, as `group_texts` of run_clm.py does.

    Documents in one row attend to each other.
    """
    ids = list(chain.from_iterable(document.tolist() for document in documents))
    return [{"input_ids": ids[i : i + context]} for i in range(0, len(ids) - context + 1, context)]


@dataclass
class Collator:
    """Pad to the longest row, mask as in BERT or copy the labels, and count the tokens without padding."""

    vocabulary: Vocabulary
    masked: bool
    tokens: int = 0

    def __call__(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), longest), self.vocabulary.pad)
        seen = torch.zeros(len(rows), longest, dtype=torch.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            seen[i, : len(row["input_ids"])] = 1
        self.tokens += int(seen.sum())
        if not self.masked:
            return {"input_ids": ids, "attention_mask": seen, "labels": ids.masked_fill(seen == 0, -100)}
        hidden = (torch.rand(ids.shape) < 0.15) & seen.bool()
        labels = ids.masked_fill(~hidden, -100)
        action = torch.rand(ids.shape)
        random_ids = torch.randint(self.vocabulary.size, ids.shape)
        inputs = torch.where(hidden & (action < 0.8), torch.tensor(self.vocabulary.mask), ids)
        inputs = torch.where(hidden & (action >= 0.8) & (action < 0.9), random_ids, inputs)
        return {"input_ids": inputs, "attention_mask": seen, "labels": labels}


@dataclass
class Peer:
    """A model that the Trainer trains, its rows, and how they are batched."""

    model: Any
    rows: list[dict[str, list[int]]]
    collator: Collator
    batch: int
    by_length: bool
    bfloat16: bool
    folder: Path

    def trainer(self, steps: int, rate: float, callbacks: Sequence[Any] = (), max_seconds: float | None = None) -> Any:
        import transformers

        device = "cuda" if torch.cuda.is_available() else "cpu"
        arguments = transformers.TrainingArguments(
            output_dir=str(self.folder),
            max_steps=steps,
            per_device_train_batch_size=self.batch,
            train_sampling_strategy="group_by_length" if self.by_length else "random",
            learning_rate=rate,
            lr_scheduler_type="linear",
            warmup_steps=10,
            weight_decay=0.1,
            adam_beta2=0.95,
            optim="adamw_torch_fused",
            bf16=self.bfloat16,
            use_cpu=device == "cpu",
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        return transformers.Trainer(
            model=self.model,
            args=arguments,
            train_dataset=Rows(self.rows),  # type: ignore[arg-type]
            data_collator=self.collator,
            callbacks=list(callbacks),
        )

    def round(self, steps: int) -> Throughput:
        import transformers

        ends: list[tuple[float, int]] = []
        collator = self.collator

        class Clock(transformers.TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                ends.append((time.perf_counter(), collator.tokens))

        with quiet_transformers():
            self.trainer(steps + WARMUP_STEPS, 1e-3, [Clock()]).train()
        # the data loader may be one batch ahead, equally at both ends
        (start, before), (end, after) = ends[WARMUP_STEPS - 1], ends[-1]
        return Throughput(after - before, end - start)


class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    def __init__(self, rows: list[dict[str, list[int]]]):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, list[int]]:
        return self.rows[i]


def supports_bfloat16(model: Any, rows: list[dict[str, list[int]]], collator: Collator, folder: Path) -> bool:
    """Return whether the Trainer completes two steps in bfloat16 on this machine; print the error if it does not."""
    trial = Peer(model, rows, collator, 4, False, True, folder)
    try:
        with quiet_transformers():
            trial.trainer(2, 1e-5).train()
    except (AttributeError, ValueError, RuntimeError, NotImplementedError) as error:
        print(f"the Trainer does not run in bfloat16 here: {type(error).__name__}: {error}")
        return False
    return True
