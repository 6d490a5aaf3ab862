"""Help is instant because nothing heavy is loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from danlu.commands.main import VERBS

HEAVY = ("torch", "transformers", "sklearn", "pyarrow", "matplotlib", "numpy", "pydantic", "tokenizers")
SCRIPT = """
import sys
from danlu.commands import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print("exit", end.code)
print("loaded", *(name for name in {heavy} if name in sys.modules))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], *[[verb, "--help"] for verb in VERBS]], ids=str)
def test_help_loads_nothing_heavy(arguments):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(heavy=HEAVY), *arguments], capture_output=True, text=True, check=True
    )
    *_, ended, loaded = done.stdout.splitlines()
    assert loaded == "loaded"
    assert ended in ("exit 0", "exit 2")
    if "--help" in arguments:
        assert "Usage: " in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_command_with_help(danlu_command, verb):
    code, out, err = danlu_command(verb, "-h")
    assert (code, err) == (0, [])
    assert verb in out


def test_help_lists_every_verb(danlu_command):
    code, out, err = danlu_command("--help")
    assert (code, err) == (0, [])
    for verb, line in VERBS.items():
        assert verb in out
        assert line.split()[0] in out
