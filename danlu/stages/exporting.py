"""Every trained model as a folder that danlu and, where a class fits, transformers load."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from danlu.export import NotExported, check_export, export, save_native
from danlu.stages.pretraining import Pretraining

TOLERANCE = 1e-4
CHECKED_TEXTS = 3


def export_model(job: Pretraining, trained: dict[str, Any]) -> dict[str, Any]:
    """Write `model/<name>` and check that transformers computes the same logits from it."""
    model = job.trained(trained)
    folder = job.run.path / "model" / job.name
    objective, architecture = job.recipe.objective, job.recipe.architecture
    made = export(model, job.data.tokenizer, folder, objective, architecture)
    facts = {"name": job.name, "path": f"model/{job.name}", "tolerance": TOLERANCE}
    if isinstance(made, NotExported):
        save_native(model, job.data.tokenizer, folder, objective, architecture)
        return facts | {"class": None, "max_logit_difference": None, "reason": made.reason}
    facts["class"] = made.class_name
    texts = [t[:400] for t in islice(job.data.corpus.texts("test"), CHECKED_TEXTS)]
    return facts | {"max_logit_difference": check_export(model, job.data.tokenizer, folder, texts)}


def say_export(name: str, facts: dict[str, Any], say: Callable[[str], None]) -> None:
    if facts["class"] is None:
        say(f"{name:10s} exported to {facts['path']} in danlu's own form: {facts['reason']}")
        return
    difference = facts["max_logit_difference"]
    verdict = "equal" if difference <= facts["tolerance"] else "NOT EQUAL"
    say(f"{name:10s} exported to {facts['path']} as {facts['class']}: logits {verdict} ({difference:.1e})")
