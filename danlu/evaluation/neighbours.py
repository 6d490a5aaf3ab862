"""Nearest neighbours of tokens by their embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F


@torch.no_grad()
def nearest_tokens(model: Any, ids: np.ndarray, candidates: np.ndarray, top: int) -> list[tuple[int, float]]:
    """Return the `top` candidates with the highest cosine to the mean embedding of `ids`, which are excluded.

    Returns:
        (token id, cosine), nearest first.
    """
    vectors = F.normalize(model.embeddings["token"].weight.float(), dim=1)
    query = F.normalize(vectors[torch.from_numpy(ids).to(vectors.device)].mean(0), dim=0)
    others = np.setdiff1d(candidates, ids)
    cosines = (vectors[torch.from_numpy(others).to(vectors.device)] @ query).cpu().numpy()
    order = np.argsort(-cosines, kind="stable")[:top]
    return [(int(others[k]), float(cosines[k])) for k in order]
