"""Writing weights as a safetensors file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def write_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write tensors from any device as safetensors.

    Raises:
        OSError: if the disk is full or refuses.
    """
    here = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    try:
        save_file(here, path, metadata={"format": "pt"})
    except SafetensorError as error:
        # a full disk comes as SafetensorError; as OSError `durable.explain_disk` knows what to say
        if found := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(found[1]), str(error)) from None
        raise
