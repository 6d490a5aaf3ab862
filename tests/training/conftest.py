from __future__ import annotations

import pytest
import torch
from toy_job import OPENED


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def journals_closed():
    yield
    while OPENED:
        OPENED.pop().close()
