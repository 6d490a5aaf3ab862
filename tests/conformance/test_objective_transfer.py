"""Training of any objective starts from a model of any other: each weight is copied, new or unused, and reported."""

from __future__ import annotations

import pytest
import torch
from examples import OBJECTIVES, example_of
from pairs import architecture_of, fits

from danlu.architectures import build_network
from danlu.interop import save_native
from danlu.registry import objectives
from danlu.runs.warm_start import initialise_from
from danlu.tokens.kinds.byte_bpe import ByteBPE

TOKENIZER = ByteBPE(size=300).train(["The mill."] * 3)
WITH, EVERY = "masked", sorted(objectives)


def objective_of(name):
    return objectives.validate(example_of("objective", name, OBJECTIVES))


def fitting():
    """Yield (first, second, architecture) where both objectives are compatible with the architecture."""
    for architecture in ("transformer", "bart", "recurrent:directions=both"):
        able = [name for name in EVERY if fits(f"objective:{name}", architecture)]
        yield from ((WITH, name, architecture) for name in able)
        yield from ((name, WITH, architecture) for name in able)


@pytest.mark.parametrize(("first", "second", "architecture"), fitting())
def test_any_objective_starts_from_any_other(first, second, architecture, tmp_path):
    chosen, both = architecture_of(architecture), [objective_of(name) for name in (first, second)]
    size = TOKENIZER.vocabulary.size
    saved, model = (build_network(objective, chosen, size, seed) for seed, objective in enumerate(both))
    save_native(saved, TOKENIZER, tmp_path / "m", both[0], chosen)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    found = initialise_from(model, {"folder": str(tmp_path / "m")}, "m")
    theirs, ours = saved.state_dict(), model.state_dict()
    assert set(found["new"]) <= ours.keys()
    assert set(found["unused"]) <= theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, (fresh if name in found["new"] else theirs)[name])
    assert theirs.keys() - ours.keys() <= set(found["unused"])
    assert not [name for name in (*found["new"], *found["unused"]) if name.startswith("backbone.")]
    if first == second:
        assert found == {"new": [], "unused": [], "resized": [], "ignored": []}
