"""`danlu doctor`"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from danlu.commands.help import Command

CHECK_FAILED = 3


@click.command("doctor", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> None:
    """Check this machine: what is installed, what is missing and how to install it.

    Exit code 0 when the demo can run, else 3.
    """
    from danlu.api.doctor import examine
    from danlu.commands.tables import print_table

    findings = examine()
    able = all(finding.state != "missing" for finding in findings)
    if as_json:
        click.echo(json.dumps({"demo": able, "findings": [asdict(f) for f in findings]}, ensure_ascii=False, indent=1))
    else:
        print_table(
            ["", "", "state", "how to fix it"],
            [[f.name, f.value, f.state if f.state != "ok" else "", f.mend] for f in findings],
        )
        click.echo("\nthe demo can run: danlu demo" if able else "\nthe demo cannot run yet: see 'missing' above")
    if not able:
        sys.exit(CHECK_FAILED)
