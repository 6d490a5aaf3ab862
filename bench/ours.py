"""Train with danlu: its loop, packing and checkpoints."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.texts import Texts
from danlu.architectures import Network, build_network
from danlu.settings import Settings
from danlu.training.budget import Budget
from danlu.training.checkpoint import Checkpoints
from danlu.training.journal import Journal, read_journal
from danlu.training.loop import Job, train
from danlu.training.plan import make_plan
from danlu.training.precision import Machine
from danlu.training.samples import WindowSamples
from danlu.training.settings import TrainingSettings

WARMUP_STEPS = 3
"""Steps at the beginning of a round that are not timed, for danlu and the peer."""


@dataclass(frozen=True)
class Throughput:
    """Tokens without padding, and the seconds from the end of one step to the end of another."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


@dataclass
class Ours:
    """A model that danlu trains in rounds."""

    texts: Texts
    objective: Settings
    architecture: Settings
    machine: Machine
    folder: Path

    def network(self) -> Network:
        size = self.texts.data.tokenizer.vocabulary.size
        return build_network(self.objective, self.architecture, size, 0).to(self.machine.device)  # type: ignore[arg-type]

    def job(self, model: Network, budget: Budget, **settings: object) -> Job:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        values = {"budget": budget, "validations": 1, "keep": "last", **settings}
        training = TrainingSettings.model_validate(values)
        vocabulary = self.texts.data.tokenizer.vocabulary
        samples = WindowSamples(self.texts.data.store("train"), model.context, vocabulary, 0)
        plan = make_plan(training, model, model.objective, samples, self.machine, None)
        checkpoints, journal = Checkpoints(self.folder / "saved"), Journal(self.folder / "metrics.jsonl")
        return Job("bench", model, model.objective, samples, training, plan, checkpoints, journal)

    def round(self, model: Network, steps: int, batch_tokens: int, optimizer: str = "adamw") -> Throughput:
        job = self.job(model, Budget(steps + WARMUP_STEPS, "steps"), batch_tokens=batch_tokens, optimizer=optimizer)
        train(job)
        job.journal.close()
        records = [r for r in read_journal(self.folder / "metrics.jsonl") if r["kind"] == "train"]
        first, last = records[WARMUP_STEPS - 1], records[-1]
        return Throughput(last["tokens"] - first["tokens"], last["time"] - first["time"])
