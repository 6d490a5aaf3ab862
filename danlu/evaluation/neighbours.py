"""Which tokens have vectors near one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F


@torch.no_grad()
def neighbours(model: Any, ids: np.ndarray, candidates: np.ndarray, top: int) -> list[tuple[int, float]]:
    """The `top` of the tokens `candidates` whose embeddings make the smallest angles with the mean of those of `ids`,
    which are left out, nearest first, each with its cosine."""
    vectors = F.normalize(model.embeddings["token"].weight.float(), dim=1)
    asked = F.normalize(vectors[torch.from_numpy(ids).to(vectors.device)].mean(0), dim=0)
    others = np.setdiff1d(candidates, ids)
    cosines = (vectors[torch.from_numpy(others).to(vectors.device)] @ asked).cpu().numpy()
    order = np.argsort(-cosines, kind="stable")[:top]
    return [(int(others[k]), float(cosines[k])) for k in order]
