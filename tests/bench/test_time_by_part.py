"""The table of the time per part of a step, at a tiny size on a text of a few lines."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers", reason="the peer")
from bench import speed, time_by_part
from bench.texts import prepare_texts


@pytest.mark.slow
@pytest.mark.parametrize("objective", list(speed.PEERS))
def test_every_part_is_timed(objective, tmp_path, monkeypatch, capsys):
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"the kiln burns for {n} hours and the bell is cast\n\n" for n in range(200)), "utf-8")
    made = prepare_texts(str(path))
    for module in (speed, time_by_part):
        monkeypatch.setattr(module, "texts", lambda: made)
    monkeypatch.setitem(speed.SIZES, "tiny", {"layers": 1, "width": 32, "heads": 2, "context": 32})
    found = time_by_part.measure(objective, "tiny")
    assert found["forward_and_backward"]["seconds"] > 0
    assert all(part["seconds"] > 0 for part in found["parts"].values())
    assert {"attention itself", "optimiser (muon)", "data"} <= found["parts"].keys()
    time_by_part.print_parts(found)
    assert "attention itself" in capsys.readouterr().out
