"""Every guide runs block by block in an empty folder; the Chinese guide has the same code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from guide_blocks import blocks

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
ENGLISH = [path for path in GUIDES if not path.name.endswith(".zh.md") and path.name != "README.md"]


def command(block, folder):
    """Return the command that runs a block; a yaml block is written to the file that its first line names."""
    if block.language == "sh":
        return ["bash", "-euo", "pipefail", "-c", block.text]
    if block.language == "python":
        return [sys.executable, "-c", block.text]
    file, text = block.named
    (folder / file).write_text(text, "utf-8")
    return None


@pytest.mark.slow
@pytest.mark.parametrize("guide", ENGLISH, ids=lambda path: path.stem)
def test_a_guide_runs_from_top_to_bottom(guide, tmp_path):
    binaries = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DANLU_CACHE": str(tmp_path / "cache"),
    }
    work = tmp_path / "work"
    work.mkdir()
    assert blocks(guide), "a guide without code"
    for block in blocks(guide):
        if words := command(block, work):
            done = subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{guide.name}:{block.line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("guide", ENGLISH, ids=lambda path: path.stem)
def test_the_chinese_guide_has_the_same_code(guide):
    other = guide.with_name(f"{guide.stem}.zh.md")
    assert [b.code for b in blocks(other)] == [b.code for b in blocks(guide)]
