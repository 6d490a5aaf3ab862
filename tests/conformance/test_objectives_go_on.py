"""A model that one objective has trained goes on under another: every weight is taken, begins anew or is left, and
which is said."""

from __future__ import annotations

import pytest
import torch
from examples import OBJECTIVES, example_of
from pairs import architecture_of

from danlu.architectures import build_learner
from danlu.export import save_native
from danlu.recipes.matrix import misfit
from danlu.registry import objectives
from danlu.stages.starting import take_weights
from danlu.tokens.kinds.byte_bpe import ByteBPE

TOKENIZER = ByteBPE(size=300).train(["The mill."] * 3)
WITH, EVERY = "masked", sorted(objectives)


def objective_of(name):
    return objectives.validate(example_of("objective", name, OBJECTIVES))


@pytest.mark.parametrize("architecture", ["transformer", "bart", "recurrent:directions=both"])
@pytest.mark.parametrize(("first", "second"), [*((WITH, one) for one in EVERY), *((one, WITH) for one in EVERY)])
def test_any_objective_goes_on_from_any(first, second, architecture, tmp_path):
    chosen, both = architecture_of(architecture), [objective_of(name) for name in (first, second)]
    if any(misfit(objective, chosen) for objective in both):
        pytest.skip("the architecture does not honour what they need")
    size = TOKENIZER.vocabulary.size
    saved, model = (build_learner(objective, chosen, size, seed) for seed, objective in enumerate(both))
    save_native(saved, TOKENIZER, tmp_path / "m", both[0], chosen)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    found = take_weights(model, {"folder": str(tmp_path / "m")}, "m")
    theirs, ours = saved.state_dict(), model.state_dict()
    assert set(found["new"]) <= ours.keys()
    assert set(found["left"]) <= theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, (fresh if name in found["new"] else theirs)[name])
    assert theirs.keys() - ours.keys() <= set(found["left"])
    assert not [name for name in (*found["new"], *found["left"]) if name.startswith("backbone.")]
    if first == second:
        assert found == {"new": [], "left": []}
