"""Writing weights as a safetensors file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def write_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write tensors from any device to a safetensors file.

    Raises:
        OSError: if the file cannot be written, for example because the disk is full.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        # safetensors raises its own error on a full disk; `durable.explain_write_errors` expects an OSError
        if found := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(found[1]), str(error)) from None
        raise
