"""`danlu doctor`"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from danlu.commands.help import Command
from danlu.commands.next_commands import command_line
from danlu.console import language
from danlu.console.language import message

CHECK_FAILED = 3


@click.command("doctor", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> None:
    """Check this machine: what is installed, what is missing and how to install it.

    The exit code is 0 if the demo can run, otherwise 3.
    """
    from danlu.api.doctor import check_machine
    from danlu.commands.tables import heads, print_table

    with language.using("en" if as_json else language.current()):
        findings = check_machine()
    able = all(finding.state != "missing" for finding in findings)
    if as_json:
        click.echo(json.dumps({"demo": able, "findings": [asdict(f) for f in findings]}, ensure_ascii=False, indent=1))
    else:
        print_table(
            heads("", "", "state", "how_to_fix"),
            [[f.name, f.value, message(f"doctor.{f.state}") if f.state != "ok" else "", f.fix] for f in findings],
        )
        click.echo("\n" + (message("doctor.able", command=command_line("demo")) if able else message("doctor.unable")))
    if not able:
        sys.exit(CHECK_FAILED)
