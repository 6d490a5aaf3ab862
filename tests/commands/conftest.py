from __future__ import annotations

import signal

import pytest
import torch

from danlu.commands import main


@pytest.fixture(scope="package", autouse=True)
def threads_restored():
    """A run sets the number of threads of the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def danlu_command(capsys, monkeypatch, tmp_path):
    """Run the real command in this process, in a temporary folder: (exit code, stdout, lines of stderr).

    An exception that the command does not turn into a message is raised here and fails the test.
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
