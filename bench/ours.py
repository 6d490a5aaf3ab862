"""danlu's side: its loop, its packing, its checkpoints."""

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

WARM = 3
"""Steps at the beginning of a round that are not counted, on either side."""


@dataclass(frozen=True)
class Pace:
    """Real tokens (no padding) over the seconds from one step's end to the next."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


@dataclass
class Ours:
    """One model to be trained in rounds."""

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
        given = {"budget": budget, "validations": 1, "keep": "last", **settings}
        chosen = TrainingSettings.model_validate(given)
        vocabulary = self.texts.data.tokenizer.vocabulary
        samples = WindowSamples(self.texts.data.store("train"), model.context, vocabulary, 0)
        plan = make_plan(chosen, model, model.objective, samples, self.machine, None)
        checkpoints, journal = Checkpoints(self.folder / "saved"), Journal(self.folder / "metrics.jsonl")
        return Job("bench", model, model.objective, samples, chosen, plan, checkpoints, journal)

    def round(self, model: Network, steps: int, batch_tokens: int, optimizer: str = "adamw") -> Pace:
        job = self.job(model, Budget(steps + WARM, "steps"), batch_tokens=batch_tokens, optimizer=optimizer)
        train(job)
        job.journal.close()
        records = [r for r in read_journal(self.folder / "metrics.jsonl") if r["kind"] == "train"]
        return Pace(
            records[-1]["tokens"] - records[WARM - 1]["tokens"], records[-1]["time"] - records[WARM - 1]["time"]
        )
