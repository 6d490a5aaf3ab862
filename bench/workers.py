"""Worker processes for danlu and the peer, each with its usual environment variables; only one runs at a time."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

DANLU_ENVIRONMENT = {"GOMP_SPINCOUNT": "10000", "THP_MEM_ALLOC_ENABLE": "1"}
"""Variables that the `danlu` command sets before it loads torch; the peer uses the defaults of torch."""


def serve(pipe: Connection) -> None:
    """Call the functions received until None arrives."""
    while True:
        work: tuple[Callable[..., Any], tuple[Any, ...]] | None = pipe.recv()
        if work is None:
            return
        function, arguments = work
        pipe.send(function(*arguments))


class Worker:
    """A process with additional environment variables that calls functions on request."""

    def __init__(self, environment: Mapping[str, str]):
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        before = dict(os.environ)
        os.environ.update(environment)
        self.process = spawn.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        os.environ.clear()
        os.environ.update(before)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a module-level function in the process and return its result."""
        self.pipe.send((function, arguments))
        return self.pipe.recv()

    def close(self) -> None:
        self.pipe.send(None)
        self.process.join()
