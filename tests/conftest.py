"""Hypothesis profiles, and one cache folder for the session, so that each worker builds a corpus once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("danlu", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("quick", settings.get_profile("danlu"), max_examples=15)  # for make test
settings.load_profile("danlu")


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`$DANLU_CACHE` of the whole session; subprocesses inherit it."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["DANLU_CACHE"] = str(folder)
    return folder
