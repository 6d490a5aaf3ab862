"""danlu: raw text in, a language model out.

    danlu.run("demo")                                   a recipe, from raw text to report
    danlu.compare(["causal.yaml", "masked.yaml"], "4min")  the models of several recipes, alike, side by side
    danlu.draft_recipe("my_texts/").text                a commented recipe for a text that has none
    danlu.load("runs/demo/model/decoder").generate("The function")
    danlu.pretrain("mine.yaml", start="runs/demo/model/decoder")
    danlu.finetune("runs/demo/model/encoder", train="train.tsv", test="test.tsv")
    danlu.evaluate("runs/demo/model/decoder", "other_texts/")
    danlu.export_model("runs/demo/model/decoder", "for_transformers/")

Heavy parts are imported when these names are first used.
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
    from danlu.model import Model, load
    from danlu.recipes.drafting import draft_recipe
    from danlu.stages.comparing import compare
    from danlu.stages.judging import evaluate
    from danlu.stages.publishing import export_model
    from danlu.stages.run import pretrain, run
    from danlu.stages.showing import show
    from danlu.stages.tuning import finetune

_PLACES = {
    "run": "danlu.stages.run",
    "compare": "danlu.stages.comparing",
    "pretrain": "danlu.stages.run",
    "finetune": "danlu.stages.tuning",
    "evaluate": "danlu.stages.judging",
    "export_model": "danlu.stages.publishing",
    "show": "danlu.stages.showing",
    "draft_recipe": "danlu.recipes.drafting",
    "load": "danlu.model",
    "Model": "danlu.model",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'danlu' has no attribute {name!r}")
