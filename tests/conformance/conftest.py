from __future__ import annotations

import pytest
import torch
from pairs import PAIRS, Pair, fits, pair_of, representatives


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


REPRESENTATIVES = representatives()
EVERY = [
    pytest.param(pair, marks=() if pair in REPRESENTATIVES else pytest.mark.slow, id=" x ".join(pair))
    for pair in PAIRS
    if fits(*pair)
]


@pytest.fixture(scope="package", params=EVERY)
def pair(request, tmp_path_factory) -> Pair:
    """Everything registered that goes together, most of it in the long run of the tests only; test_refused_pairs.py
    looks at what does not."""
    return pair_of(*request.param, tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="package", params=REPRESENTATIVES, ids=" x ".join)
def representative(request, tmp_path_factory) -> Pair:
    """Everything that learns once, and every architecture once."""
    return pair_of(*request.param, tmp_path_factory.mktemp("rows"))
