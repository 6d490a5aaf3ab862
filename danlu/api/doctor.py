"""Whether this machine can run danlu: what is there, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from danlu.cache import MOVED_BY, cache_root
from danlu.config.corpus_survey import size
from danlu.extras import installed

if TYPE_CHECKING:
    import torch

State = Literal["ok", "optional", "missing"]
PYTHON = (3, 11)
DISK = 1_000_000_000
"""Free bytes that the demo may want."""

NEEDED = frozenset({"hf", "eval", "report"})
"""The extras that the demo needs; the extra `demo` is their sum."""

DEVELOPERS = frozenset({"dev", "all", "bench"})
"""Extras that are no ability of their own."""


@dataclass(frozen=True)
class Finding:
    """state "optional": not there, and only something special needs it; mend: the command or step that mends it."""

    name: str
    value: str
    state: State = "ok"
    mend: str = ""


def examine() -> list[Finding]:
    """All findings; the demo can run when none is "missing"."""
    return [*programs(), *machine(), *places(), *extras()]


def programs() -> Iterator[Finding]:
    import torch

    from danlu import __version__

    yield Finding("danlu", __version__)
    old = sys.version_info < PYTHON
    mend = f"install Python {PYTHON[0]}.{PYTHON[1]} or later" if old else ""
    yield Finding("Python", f"{platform.python_version()} ({platform.system()})", "missing" if old else "ok", mend)
    cuda = torch.version.cuda
    yield Finding("torch", f"{torch.__version__}, built for {f'CUDA {cuda}' if cuda else 'CPU'}")
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    if compiler:
        yield Finding("compiler", f"{compiler}, for torch.compile")
    else:
        yield Finding("compiler", "none, only torch.compile needs one", "optional", "apt-get install g++")


def machine() -> Iterator[Finding]:
    import torch

    from danlu.training.precision import cpu_name, native_bfloat16, product_seconds, resolve_machine, usable_cores

    chosen = resolve_machine()
    names = [f"CPU {cpu_name()}"]
    names += [f"CUDA {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    names += ["MPS"] if torch.backends.mps.is_available() else []
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        value = f"{'; '.join(names)}; there is an NVIDIA driver, and this torch does not reach a GPU by it"
        yield Finding("devices", value, "optional", "pip install --force-reinstall torch")
    else:
        yield Finding("devices", "; ".join(names))
    yield Finding("device chosen", chosen.device)
    yield attention(torch.device(chosen.device))
    reason = "the CPU has no bfloat16 products"
    if chosen.device != "cpu":
        reason = "what this device is best at"
    elif native_bfloat16("cpu"):
        ratio = product_seconds(torch.float32) / product_seconds(torch.bfloat16)
        reason = f"bfloat16 products measured {ratio:.2f} times as fast as float32"
    yield Finding("dtype chosen", f"{chosen.dtype}; {reason}")
    yield Finding("threads", f"{chosen.threads} of {os.cpu_count()} cores ({usable_cores()} may be used)")
    yield openmp("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS"), usable_cores())
    yield Finding("GOMP_SPINCOUNT", os.environ.get("GOMP_SPINCOUNT", "not set"))


def attention(device: torch.device) -> Finding:
    """Report which attention kernels the device supports in addition to those that run everywhere."""
    from danlu.architectures.transformer import flex, varlen

    name = "attention"
    if device.type != "cuda":
        return Finding(name, "plain products and torch's fused kernel; varlen and flex are for CUDA")
    if not varlen.available(device):
        return Finding(name, "torch's fused kernel; varlen needs an Ampere GPU or later", "optional", "another GPU")
    if not flex.available(device):
        value = "varlen; prefix and permutation orders run by a dense mask without triton"
        return Finding(name, value, "optional", "pip install triton")
    return Finding(name, "varlen for causal and full orders, flex for any other")


def openmp(name: str, value: str | None, cores: int) -> Finding:
    """A recipe's own number of threads wins for products, but not for libraries that read the variable."""
    if value is None or value == str(cores):
        return Finding(name, value or "not set: all cores")
    return Finding(name, f"{value}, though {cores} cores may be used", "optional", f"unset {name}")


def places() -> Iterator[Finding]:
    for name, path, way in (("runs", Path("runs").absolute(), "--out"), ("cache", cache_root().absolute(), MOVED_BY)):
        there = next(p for p in (path, *path.parents) if p.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            yield Finding(name, f"{path}, cannot be written", "missing", f"choose another folder with {way}")
            continue
        free = shutil.disk_usage(there).free
        held = f"holds {size(folder_bytes(path))}, " if name == "cache" else ""
        little = free < DISK
        mend = f"free some space, or choose another disk with {way}" if little else ""
        yield Finding(name, f"{path}, {held}{size(free)} free", "missing" if little else "ok", mend)


def folder_bytes(folder: Path) -> int:
    """Of all files below; those that vanish meanwhile count nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                continue
    return total


def extras() -> Iterator[Finding]:
    """One for each extra of the installed package, read from its own metadata."""
    try:
        wanted = requirements(metadata.requires("danlu") or [])
    except metadata.PackageNotFoundError:
        yield Finding("extras", "unknown: danlu is not installed as a package", "optional", "pip install 'danlu[demo]'")
        return
    for extra, names in sorted(wanted.items()):
        if extra in DEVELOPERS:
            continue
        absent = [name for name in names if installed(name) is None]
        if not absent:
            yield Finding(f"extra {extra}", "there")
            continue
        state: State = "missing" if extra in NEEDED else "optional"
        yield Finding(f"extra {extra}", f"without {', '.join(absent)}", state, f"pip install 'danlu[{extra}]'")


def requirements(lines: list[str]) -> dict[str, list[str]]:
    """{extra: names of distributions} of the lines of Requires-Dist."""
    found: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        _, _, extra = marker.partition("extra ==")
        name = requirement.split("[")[0]
        for sign in "<>=!~( ":
            name = name.split(sign)[0]
        if extra and name != "danlu":
            found.setdefault(extra.strip(" '\"()"), []).append(name)
    return found
