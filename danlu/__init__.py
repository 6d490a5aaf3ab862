"""danlu: train language models on raw text.

    danlu.run("demo")                                      run a recipe from raw text to report
    danlu.compare(["causal.yaml", "masked.yaml"], "4min")  compare the models of several recipes at equal training time
    danlu.draft_recipe("my_texts/").text                   write a commented recipe for a corpus
    danlu.load("runs/demo/model/decoder").generate("The function")
    danlu.pretrain("mine.yaml", start="runs/demo/model/decoder")
    danlu.finetune("runs/demo/model/encoder", train="train.tsv", test="test.tsv")
    danlu.evaluate("runs/demo/model/decoder", "other_texts/")
    danlu.export_model("runs/demo/model/decoder", "for_transformers/")

Functions print their progress on stderr; quiet=True turns that off. Heavy parts are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Model",
    "__version__",
    "compare",
    "draft_recipe",
    "evaluate",
    "export_model",
    "finetune",
    "load",
    "pretrain",
    "run",
    "show",
]

if TYPE_CHECKING:
    from danlu.api.compare import compare
    from danlu.api.evaluate import evaluate
    from danlu.api.export import export_model
    from danlu.api.finetune import finetune
    from danlu.api.model import Model, load
    from danlu.api.pretrain import pretrain
    from danlu.api.run import run
    from danlu.api.show import show
    from danlu.config.drafting import draft_recipe

_PLACES = {
    "run": "danlu.api.run",
    "compare": "danlu.api.compare",
    "pretrain": "danlu.api.pretrain",
    "finetune": "danlu.api.finetune",
    "evaluate": "danlu.api.evaluate",
    "export_model": "danlu.api.export",
    "show": "danlu.api.show",
    "draft_recipe": "danlu.config.drafting",
    "load": "danlu.api.model",
    "Model": "danlu.api.model",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'danlu' has no attribute {name!r}")
