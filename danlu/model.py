"""A trained model, ready to use."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from danlu.architectures import Learner
from danlu.errors import WrongInput
from danlu.evaluation.generation import Sampling, generate
from danlu.export import load_model
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.precision import Machine, usable_cores


class Model:
    """What `danlu.load` gives: the model and its tokenizer."""

    def __init__(self, learner: Learner, tokenizer: TextTokenizer, context: int):
        self.learner, self.tokenizer, self.context = learner.eval(), tokenizer, context

    def generate(
        self,
        prompt: str,
        tokens: int = 60,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float = 0.95,
        seed: int = 0,
    ) -> str:
        """`prompt` and its continuation. WrongInput when the model was not trained to continue text."""
        if not self.learner.objective.continues_text:
            name = getattr(self.learner.objective, "name", "")
            raise WrongInput(f"this model was trained by {name!r}, which does not continue text; load a causal one")
        sampling = Sampling(tokens=tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
        ids = self.tokenizer.encode(prompt)
        machine = Machine(str(self.learner.device.type), "float32", usable_cores())
        new = generate(self.learner, ids, self.tokenizer.vocabulary, sampling, self.context, machine)
        return self.tokenizer.decode(np.concatenate([ids, new]))


def load(path: str | Path) -> Model:
    """A model folder (`runs/NAME/model/MODEL`), or a run directory, from which the first model that continues text is
    taken."""
    folder = Path(path)
    if (folder / "model").is_dir() and not (folder / "config.json").exists():
        found = [load(f) for f in sorted((folder / "model").iterdir()) if f.is_dir() and not f.name.startswith(".")]
        speaking = [m for m in found if m.learner.objective.continues_text]
        if not found:
            raise WrongInput(f"{folder} holds no finished model yet; run its recipe to the end first")
        return (speaking or found)[0]
    learner, tokenizer = load_model(folder)
    return Model(learner, tokenizer, learner.context)
