"""Each side in a process of its own, with the environment its users have; they are asked in turns, never at once."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

OURS = {"GOMP_SPINCOUNT": "10000", "THP_MEM_ALLOC_ENABLE": "1"}
"""What the `danlu` command sets before torch is loaded; the peer has torch as it comes."""


def serve(pipe: Connection) -> None:
    while True:
        work: tuple[Callable[..., Any], tuple[Any, ...]] | None = pipe.recv()
        if work is None:
            return
        function, arguments = work
        pipe.send(function(*arguments))


class Side:
    """`ask(function, *arguments)` runs a function of a module there and gives what it returns."""

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

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self.pipe.send((function, arguments))
        return self.pipe.recv()

    def close(self) -> None:
        self.pipe.send(None)
        self.process.join()
