from __future__ import annotations

import pytest
import torch
from pairs import PAIRS, Pair, fits, pair_of


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package", params=[pair for pair in PAIRS if fits(*pair)], ids=" x ".join)
def pair(request, tmp_path_factory) -> Pair:
    """Everything registered that goes together; test_refused_pairs.py looks at what does not."""
    return pair_of(*request.param, tmp_path_factory.mktemp("rows"))
