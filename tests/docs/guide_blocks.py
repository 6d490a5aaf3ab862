"""The code blocks of a guide, in order, as a reader would copy and run them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ("sh", "python", "yaml")
"""yaml blocks begin with a line `# FILE` and are written to that file."""


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int

    @property
    def code(self) -> str:
        """The code without comments, which differ between languages."""
        lines = (re.sub(r"\s+# .*$", "", line).rstrip() for line in self.text.splitlines())
        return "\n".join(line for line in lines if line and not line.startswith("# "))

    @property
    def named(self) -> tuple[str, str]:
        """The file that the first line names, and its content."""
        first, _, rest = self.text.partition("\n")
        return first.removeprefix("# ").strip(), rest


def blocks(path: Path, languages: Sequence[str] = RUN) -> list[Block]:
    text = path.read_text("utf-8")
    found = [Block(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in BLOCK.finditer(text)]
    return [block for block in found if block.language in languages]
