"""Everything registered is found by a recipe without further imports, and has a description."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import danlu
import danlu.config.schema
from danlu import registry
from danlu.settings import Settings
from danlu.tasks.predictor import predictors

PACKAGE = Path(registry.__file__).parent
REGISTERS = re.compile(r"^@[\w.]+\.register$", re.MULTILINE)
REGISTRIES = [*registry.REGISTRIES, predictors]


def test_every_registering_module_is_imported_with_the_recipe_schema():
    """A module that is missing from its `__init__` would never be registered."""
    wanted = set()
    for path in PACKAGE.rglob("*.py"):
        if REGISTERS.search(path.read_text("utf-8")):
            wanted.add(".".join(("danlu", *path.relative_to(PACKAGE).with_suffix("").parts)))
    script = "import sys, danlu.config.schema; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert len(wanted) > len(REGISTRIES)
    assert wanted - set(done.stdout.split()) == set()


@pytest.mark.parametrize("kinds", REGISTRIES, ids=lambda kinds: kinds.kind)
def test_every_registered_class_has_a_docstring(kinds):
    assert len(kinds)
    silent = [name for name in kinds if not (vars(kinds[name]).get("__doc__") or "").strip()]
    assert silent == []


def settings_classes(base=Settings):
    for cls in base.__subclasses__():
        if cls.__module__.startswith("danlu."):
            yield cls
        yield from settings_classes(cls)


def test_every_settings_field_has_a_description():
    for module in pkgutil.walk_packages(danlu.__path__, "danlu."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
    assert {"ModelFacts", "Recipe", "Transformer"} <= {cls.__name__ for cls in settings_classes()}
    missing = [
        f"{cls.__name__}.{name}"
        for cls in settings_classes()
        for name, field in cls.model_fields.items()
        if name != "name" and not (field.description or "").strip()
    ]
    assert missing == []
