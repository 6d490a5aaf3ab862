"""TensorBoard logs have the same numbers as the journal, also after an interruption."""

from __future__ import annotations

import pytest

from danlu.training.tracking import TensorBoard

pytest.importorskip("tensorboard")


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_equals_the_journal_and_overwrites_repeated_steps(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def records(first, last, offset):
        for step in range(first, last + 1):
            yield {
                "stage": "pretrain/m",
                "kind": "train",
                "step": step,
                "tokens": 9,
                "loss": step + offset,
                "time": 1.0,
            }
        yield {"stage": "pretrain/m", "kind": "validation", "step": last, "loss": 0.5, "terms": {"causal": 0.25}}
        yield {"stage": "pretrain/m", "kind": "warning", "message": "not a step"}
        yield {"stage": "pretrain/m", "kind": "sample", "step": last, "prompt": "a", "text": " b"}

    for first, last, offset in ((1, 4, 100.0), (3, 5, 0.0)):  # the second process starts before the end of the first
        watch = TensorBoard().open(tmp_path)
        for record in records(first, last, offset):
            watch(record)
        watch.close()
    found = EventAccumulator(str(tmp_path / "tensorboard" / "pretrain" / "m")).Reload()
    assert [(e.step, e.value) for e in found.Scalars("train/loss")] == [
        (1, 101.0), (2, 102.0), (3, 3.0), (4, 4.0), (5, 5.0),
    ]  # fmt: skip
    assert found.Scalars("validation/terms/causal")[-1].value == 0.25
    assert not any("tokens" in tag or "time" in tag for tag in found.Tags()["scalars"])
