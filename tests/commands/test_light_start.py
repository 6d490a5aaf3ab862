"""Help is fast because it loads no heavy package."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from danlu.commands.main import VERBS

HEAVY = ("torch", "transformers", "sklearn", "pyarrow", "matplotlib", "numpy", "pydantic", "tokenizers")
SCRIPT = """
import contextlib, io, json, sys
from danlu.commands import main
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        try:
            main(arguments)
            code = None
        except SystemExit as end:
            code = end.code
    loaded = [name for name in {heavy} if name in sys.modules]
    print(json.dumps([arguments, code, "Usage: " in out.getvalue(), loaded]))
"""


def test_help_loads_no_heavy_package():
    """All in one process; what one command loads is still loaded after the next."""
    verbs = [["--help"], ["--version"], [], *([verb, "--help"] for verb in VERBS)]
    command = [sys.executable, "-c", SCRIPT.format(heavy=HEAVY), json.dumps(verbs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [arguments for arguments, *_ in answers] == verbs
    for arguments, code, usage, loaded in answers:
        assert loaded == [], arguments
        assert code in (0, 2), arguments
        assert usage or "--help" not in arguments


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
