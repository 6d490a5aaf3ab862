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
from danlu.console.formatting import byte_size
from danlu.console.language import message
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
    mend = message("doctor.install_python", version=f"{PYTHON[0]}.{PYTHON[1]}") if old else ""
    yield Finding("Python", f"{platform.python_version()} ({platform.system()})", "missing" if old else "ok", mend)
    cuda = torch.version.cuda
    platform_name = f"CUDA {cuda}" if cuda else "CPU"
    yield Finding("torch", message("doctor.torch", version=torch.__version__, platform=platform_name))
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    if compiler:
        yield Finding(message("doctor.compiler"), message("doctor.compiler_found", path=compiler))
    else:
        none = message("doctor.compiler_none")
        yield Finding(message("doctor.compiler"), none, "optional", "apt-get install g++")


def machine() -> Iterator[Finding]:
    import torch

    from danlu.training.precision import cpu_name, native_bfloat16, product_seconds, resolve_machine, usable_cores

    chosen = resolve_machine()
    names = [f"CPU {cpu_name()}"]
    names += [f"CUDA {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    names += ["MPS"] if torch.backends.mps.is_available() else []
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        value = message("doctor.driver", devices="; ".join(names))
        yield Finding(message("doctor.devices"), value, "optional", "pip install --force-reinstall torch")
    else:
        yield Finding(message("doctor.devices"), "; ".join(names))
    yield Finding(message("doctor.device"), chosen.device)
    yield attention(torch.device(chosen.device))
    reason = message("doctor.dtype_none")
    if chosen.device != "cpu":
        reason = message("doctor.dtype_gpu")
    elif native_bfloat16("cpu"):
        ratio = product_seconds(torch.float32) / product_seconds(torch.bfloat16)
        reason = message("doctor.dtype_measured", ratio=ratio)
    yield Finding(message("doctor.dtype"), message("doctor.dtype_line", dtype=chosen.dtype, reason=reason))
    counts = {"threads": chosen.threads, "cores": os.cpu_count(), "usable": usable_cores()}
    yield Finding(message("doctor.threads"), message("doctor.threads_line", **counts))
    yield openmp("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS"), usable_cores())
    yield Finding("GOMP_SPINCOUNT", os.environ.get("GOMP_SPINCOUNT", message("doctor.not_set")))


def attention(device: torch.device) -> Finding:
    """Report which attention kernels the device supports in addition to those that run everywhere."""
    from danlu.architectures.transformer import flex, varlen

    name = message("doctor.attention")
    if device.type != "cuda":
        return Finding(name, message("doctor.attention_cpu"))
    if not varlen.available(device):
        return Finding(name, message("doctor.attention_old"), "optional", message("doctor.attention_other_gpu"))
    if not flex.available(device):
        return Finding(name, message("doctor.attention_no_triton"), "optional", "pip install triton")
    return Finding(name, message("doctor.attention_all"))


def openmp(name: str, value: str | None, cores: int) -> Finding:
    """A recipe's own number of threads wins for products, but not for libraries that read the variable."""
    if value is None or value == str(cores):
        return Finding(name, value or message("doctor.all_cores"))
    return Finding(name, message("doctor.fewer_cores", value=value, cores=cores), "optional", f"unset {name}")


def places() -> Iterator[Finding]:
    for key, path, way in (("runs", Path("runs").absolute(), "--out"), ("cache", cache_root().absolute(), MOVED_BY)):
        name = message(f"doctor.{key}")
        there = next(p for p in (path, *path.parents) if p.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            other = message("doctor.other_folder", way=way)
            yield Finding(name, message("doctor.not_writable", path=path), "missing", other)
            continue
        free = shutil.disk_usage(there).free
        value = message("doctor.free", path=path, size=byte_size(free))
        if key == "cache":
            value = message("doctor.held", path=path, held=byte_size(folder_bytes(path)), size=byte_size(free))
        little = free < DISK
        mend = message("doctor.little", way=way) if little else ""
        yield Finding(name, value, "missing" if little else "ok", mend)


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
        unknown = message("doctor.extras_unknown")
        yield Finding(message("doctor.extras"), unknown, "optional", "pip install 'danlu[demo]'")
        return
    for extra, names in sorted(wanted.items()):
        if extra in DEVELOPERS:
            continue
        name = message("doctor.extra", name=extra)
        absent = [each for each in names if installed(each) is None]
        if not absent:
            yield Finding(name, message("doctor.extra_there"))
            continue
        state: State = "missing" if extra in NEEDED else "optional"
        without = message("doctor.extra_without", names=", ".join(absent))
        yield Finding(name, without, state, f"pip install 'danlu[{extra}]'")


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
