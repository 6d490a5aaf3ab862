from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="package", autouse=True)
def threads_restored():
    """A run sets the number of threads of the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
