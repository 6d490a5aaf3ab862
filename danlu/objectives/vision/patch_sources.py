"""Sources of patches: built-in digits and tones, or arrays in a file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from danlu.errors import WrongInput, nearest
from danlu.objectives.vision import digits, tones
from danlu.text.split import SPLITS

FILE = ".npz"


@dataclass(frozen=True)
class PatchData:
    """Patches of all splits."""

    splits: Mapping[str, np.ndarray]  # name -> [n, positions, features] float32 in [0, 1]
    places: np.ndarray  # [positions, 2], row and column of each position
    picture: Callable[[np.ndarray], np.ndarray]  # converts [positions, features] to a picture [rows, columns]


def digit_patches() -> PatchData:
    """Return the built-in digits as patches."""
    splits = {split: digits.patches_of(data.images) for split, data in digits.digits().items()}
    side = digits.SIDE // digits.PATCH
    return PatchData(splits, np.stack(np.divmod(np.arange(digits.POSITIONS), side), 1), digits.image_of)


def row_places(positions: int) -> np.ndarray:
    """Return row and column [positions, 2] of positions that form a single row."""
    return np.stack([np.zeros(positions, np.int64), np.arange(positions)], 1)


def spectrogram_picture(frames: np.ndarray) -> np.ndarray:
    """Convert frames [positions, features] to a picture [features, positions] with the first feature at the bottom."""
    return frames.T[::-1]


def tone_frames() -> PatchData:
    """Return the frames of the built-in tones."""
    splits = {split: tones.spectrograms(split) for split in SPLITS}
    return PatchData(splits, row_places(tones.FRAMES), spectrogram_picture)


@dataclass(frozen=True)
class Builtin:
    """A built-in source."""

    features: int
    read: Callable[[], PatchData]


BUILTIN = {
    "builtin:digits": Builtin(digits.FEATURES, digit_patches),
    "builtin:tones": Builtin(tones.BINS, tone_frames),
}


@lru_cache(maxsize=2)
def load_arrays(source: str, changed: int) -> Mapping[str, np.ndarray]:
    """Read and check the arrays of a file.

    Args:
        source: path of the file.
        changed: modification time of the file, part of the cache key.

    Raises:
        WrongInput: if an array is missing or has a wrong shape or content.
    """
    try:
        with np.load(source, allow_pickle=False) as file:
            if missing := [split for split in SPLITS if split not in file]:
                names = ", ".join(sorted(file)) or "no arrays"
                raise WrongInput(f"{source} has no array {missing[0]!r}; it has {names}, needed: {', '.join(SPLITS)}")
            arrays = {split: file[split] for split in SPLITS}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, TypeError, AttributeError):
        raise WrongInput(f"{source} is not a {FILE} file of plain arrays; write it with numpy.savez") from None
    for split, array in arrays.items():
        shape = " x ".join(map(str, array.shape))
        if array.ndim != 3 or 0 in array.shape or array.shape[1] < 2:
            raise WrongInput(f"{source}: {split} is {shape or 'one number'}, not [n, positions (2 or more), features]")
        if array.shape[1:] != arrays["train"].shape[1:]:
            expected = " x ".join(map(str, arrays["train"].shape[1:]))
            raise WrongInput(f"{source}: {split} is {shape}, but each example of train is {expected}")
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise WrongInput(f"{source}: {split} has values that are not finite numbers; remove them")
    if arrays["train"].min() == arrays["train"].max():
        raise WrongInput(f"{source}: all values of train are {arrays['train'].min()}; use data that vary")
    return arrays


def file_arrays(source: str) -> Mapping[str, np.ndarray]:
    """Return the arrays of a file, from the cache if the file has not changed."""
    path = Path(source).expanduser()
    if not path.is_file():
        nearby = [str(p) for p in path.parent.glob(f"*{FILE}")] if path.parent.is_dir() else []
        raise WrongInput(f"no file {source}; {nearest(source, [*BUILTIN, *nearby])}")
    return load_arrays(str(path), path.stat().st_mtime_ns)


def file_patches(source: str) -> PatchData:
    """Return the patches of a file, scaled to [0, 1] by the minimum and maximum of `train`.

    Values of the other splits may be outside of [0, 1].
    """
    arrays = file_arrays(source)
    low, high = float(arrays["train"].min()), float(arrays["train"].max())
    splits = {split: ((array - low) / (high - low)).astype(np.float32) for split, array in arrays.items()}
    return PatchData(splits, row_places(arrays["train"].shape[1]), spectrogram_picture)


def check_known(source: str) -> None:
    """Raise WrongInput for an unknown built-in source."""
    if source.startswith("builtin:") and source not in BUILTIN:
        raise WrongInput(f"unknown patches {source!r}; {nearest(source, BUILTIN)}, or give the path of a {FILE} file")


def features_of(source: str) -> int:
    """Return the number of values per patch.

    Raises:
        WrongInput: if the source cannot be read.
    """
    check_known(source)
    return BUILTIN[source].features if source in BUILTIN else int(file_arrays(source)["train"].shape[2])


def read_patches(source: str) -> PatchData:
    """Read all splits of a source.

    Raises:
        WrongInput: if the source cannot be read.
    """
    check_known(source)
    return BUILTIN[source].read() if source in BUILTIN else file_patches(source)
