from __future__ import annotations

import pytest
import torch
from pairs import PAIRS, QUICK, REPRESENTATIVES, Pair, fits, marked, pair_of


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package", params=marked([pair for pair in PAIRS if fits(*pair)], QUICK))
def pair(request, tmp_path_factory) -> Pair:
    """Every compatible pair of registered things, most of them only in the slow tests. `test_refused_pairs.py`
    checks the incompatible pairs."""
    return pair_of(*request.param, tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="package", params=marked(REPRESENTATIVES, QUICK))
def representative(request, tmp_path_factory) -> Pair:
    """Every objective and task with a Transformer where compatible, every architecture once, and the quick pairs."""
    return pair_of(*request.param, tmp_path_factory.mktemp("rows"))
