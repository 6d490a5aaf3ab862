from __future__ import annotations

import signal

import pytest
import torch

from danlu.commands import main


@pytest.fixture(scope="package", autouse=True)
def threads_restored():
    """A run sets the threads of the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def danlu_command(capsys, monkeypatch, tmp_path):
    """The real command inside this process, in a folder of its own: (exit code, stdout, lines of stderr).

    What it does not turn into a line comes out here as it is and fails the test.
    """
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err.splitlines()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
