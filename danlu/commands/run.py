"""`danlu run RECIPE [key.path=value ...]`"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import FrameType

import click

from danlu.commands.progress import Progress
from danlu.errors import Stopped


class Request:
    """Whether the user or the system asked to stop, and with which exit code that ends."""

    def __init__(self) -> None:
        self.code: int | None = None
        signal.signal(signal.SIGINT, self._interrupted)
        signal.signal(signal.SIGTERM, self._terminated)

    def __call__(self) -> bool:
        return self.code is not None

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self.code is not None:
            raise KeyboardInterrupt
        self.code = 130

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        self.code = 75


def do(recipe: str, overrides: tuple[str, ...], out: Path | None, budget: str | None, as_json: bool) -> None:
    """Run a recipe with live progress; the results go to stdout."""
    from danlu.stages.run import run

    stop = Request()
    with Progress() as progress:
        try:
            results = run(recipe, overrides, out, budget, progress.say, progress.watch, stop)
        except Stopped as stopped:
            stopped.code = stop.code or stopped.code
            raise
    folder = out or Path("runs") / Path(recipe).stem
    click.echo(json.dumps(results, ensure_ascii=False) if as_json else folder / "report.html")


@click.command("run")
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory (default: runs/<recipe name>).")
@click.option("--budget", help="Time for all training together, such as 4min.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on stdout.")
def command(recipe: str, overrides: tuple[str, ...], out: Path | None, budget: str | None, as_json: bool) -> None:
    """Run RECIPE (a file or a shipped name). The same command again goes on where the run was cut off."""
    do(recipe, overrides, out, budget, as_json)
