"""A cached folder is made once, complete, and made again when damaged."""

from __future__ import annotations

import subprocess
import sys

import pytest

from danlu import cache as cache_module
from danlu.cache import cache_root, cached_folder


def filler(calls):
    def fill(folder):
        calls.append(folder)
        (folder / "x").write_text("content")

    return fill


def test_a_folder_is_filled_once_per_key_and_again_when_damaged(cache):
    calls = []
    folder = cached_folder("thing", {"a": 1, "b": 2}, filler(calls))
    assert folder.parent == cache
    assert folder.name.startswith("thing-")
    assert len(folder.name) == len("thing-") + 16
    assert cached_folder("thing", {"b": 2, "a": 1}, filler(calls)) == folder
    assert cached_folder("thing", {"a": 1, "b": 3}, filler(calls)) != folder
    assert len(calls) == 2
    (folder / "x").write_text("changed")
    cache_module._verified.clear()  # as in a new process
    assert (cached_folder("thing", {"a": 1, "b": 2}, filler(calls)) / "x").read_text() == "content"
    assert len(calls) == 3


def test_a_failed_fill_leaves_nothing(cache):
    def fail(folder):
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_folder("thing", {}, fail)
    calls = []
    folder = cached_folder("thing", {}, filler(calls))
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "x"]


def test_concurrent_processes_fill_once(cache):
    code = (
        "import time; from danlu.cache import cached_folder\n"
        "def fill(f):\n print('filled'); time.sleep(0.3); (f / 'x').write_text('1')\n"
        "assert (cached_folder('race', {}, fill) / 'x').read_text() == '1'"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    output = [p.communicate()[0] for p in running]
    assert [p.returncode for p in running] == [0, 0, 0]
    assert "".join(output) == "filled\n"


def test_the_cache_root_follows_xdg_cache_home(monkeypatch, tmp_path):
    monkeypatch.delenv("DANLU_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "danlu"
