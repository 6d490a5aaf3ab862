"""`danlu doctor`: check whether this machine can run danlu, and report how to fix what is missing."""

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

from danlu.cache import CACHE_SETTING, cache_root
from danlu.console.formatting import byte_size
from danlu.console.language import message
from danlu.extras import install_command, installed_version

if TYPE_CHECKING:
    import torch

State = Literal["ok", "optional", "missing"]
MIN_PYTHON = (3, 11)
MIN_FREE_BYTES = 1_000_000_000
"""Free bytes that the demo may need."""

DEMO_EXTRAS = frozenset({"hf", "eval", "report"})
"""The extras that the demo needs; the extra `demo` combines them."""

DEVELOPER_EXTRAS = frozenset({"dev", "all", "bench"})
"""Extras for developers only, or that combine others."""


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    name: str
    value: str
    state: State = "ok"  # "optional": absent, but the demo runs without it
    fix: str = ""  # the command or step that fixes it


def check_machine() -> list[Finding]:
    """Return the findings of all checks; the demo can run if none is "missing"."""
    return [*check_software(), *check_hardware(), *check_folders(), *check_extras()]


def check_software() -> Iterator[Finding]:
    """Report the versions of danlu, Python and torch, and the C++ compiler."""
    import torch

    from danlu import __version__

    yield Finding("danlu", __version__)
    old = sys.version_info < MIN_PYTHON
    fix = message("doctor.install_python", version=f"{MIN_PYTHON[0]}.{MIN_PYTHON[1]}") if old else ""
    yield Finding("Python", f"{platform.python_version()} ({platform.system()})", "missing" if old else "ok", fix)
    cuda = torch.version.cuda
    platform_name = f"CUDA {cuda}" if cuda else "CPU"
    yield Finding("torch", message("doctor.torch", version=torch.__version__, platform=platform_name))
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    if compiler:
        yield Finding(message("doctor.compiler"), message("doctor.compiler_found", path=compiler))
    else:
        none = message("doctor.compiler_none")
        yield Finding(message("doctor.compiler"), none, "optional", "apt-get install g++")


def check_hardware() -> Iterator[Finding]:
    """Report the devices, and the device, dtype and threads that a run uses by default."""
    import torch

    from danlu.training.precision import cpu_name, native_bfloat16, product_seconds, resolve_machine, usable_cores

    machine = resolve_machine()
    names = [f"CPU {cpu_name()}"]
    names += [f"CUDA {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    names += ["MPS"] if torch.backends.mps.is_available() else []
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        value = message("doctor.driver", devices="; ".join(names))
        yield Finding(message("doctor.devices"), value, "optional", "pip install --force-reinstall torch")
    else:
        yield Finding(message("doctor.devices"), "; ".join(names))
    yield Finding(message("doctor.device"), machine.device)
    yield check_attention(torch.device(machine.device))
    reason = message("doctor.dtype_none")
    if machine.device != "cpu":
        reason = message("doctor.dtype_gpu")
    elif native_bfloat16("cpu"):
        ratio = product_seconds(torch.float32) / product_seconds(torch.bfloat16)
        reason = message("doctor.dtype_measured", ratio=ratio)
    yield Finding(message("doctor.dtype"), message("doctor.dtype_line", dtype=machine.dtype, reason=reason))
    counts = {"threads": machine.threads, "cores": os.cpu_count(), "usable": usable_cores()}
    yield Finding(message("doctor.threads"), message("doctor.threads_line", **counts))
    yield check_thread_variable("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS"), usable_cores())
    yield Finding("GOMP_SPINCOUNT", os.environ.get("GOMP_SPINCOUNT", message("doctor.not_set")))


def check_attention(device: torch.device) -> Finding:
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


def check_thread_variable(name: str, value: str | None, cores: int) -> Finding:
    """Report an environment variable that limits the threads.

    `machine.threads` of a recipe overrides it for matrix products, but not for libraries that read the variable.
    """
    if value is None or value == str(cores):
        return Finding(name, value or message("doctor.all_cores"))
    return Finding(name, message("doctor.fewer_cores", value=value, cores=cores), "optional", f"unset {name}")


def check_folders() -> Iterator[Finding]:
    """Report whether the folders of runs and of the cache can be written, and the free disk space."""
    for key, path, option in (
        ("runs", Path("runs").absolute(), "--out"),
        ("cache", cache_root().absolute(), CACHE_SETTING),
    ):
        name = message(f"doctor.{key}")
        existing = next(p for p in (path, *path.parents) if p.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            other = message("doctor.other_folder", option=option)
            yield Finding(name, message("doctor.not_writable", path=path), "missing", other)
            continue
        free = shutil.disk_usage(existing).free
        value = message("doctor.free", path=path, size=byte_size(free))
        if key == "cache":
            value = message("doctor.used", path=path, used=byte_size(folder_bytes(path)), size=byte_size(free))
        full = free < MIN_FREE_BYTES
        fix = message("doctor.disk_full", option=option) if full else ""
        yield Finding(name, value, "missing" if full else "ok", fix)


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder. Files that are deleted meanwhile count as 0."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                continue
    return total


def check_extras() -> Iterator[Finding]:
    """Report each extra of the installed package, as its metadata lists them."""
    try:
        required = requirements_by_extra(metadata.requires("danlu") or [])
    except metadata.PackageNotFoundError:
        unknown = message("doctor.extras_unknown")
        yield Finding(message("doctor.extras"), unknown, "optional", install_command("demo"))
        return
    for extra, names in sorted(required.items()):
        if extra in DEVELOPER_EXTRAS:
            continue
        name = message("doctor.extra", name=extra)
        absent = [each for each in names if installed_version(each) is None]
        if not absent:
            yield Finding(name, message("doctor.extra_installed"))
            continue
        state: State = "missing" if extra in DEMO_EXTRAS else "optional"
        without = message("doctor.extra_not_installed", names=", ".join(absent))
        yield Finding(name, without, state, install_command(extra))


def requirements_by_extra(lines: list[str]) -> dict[str, list[str]]:
    """Return {extra: distribution names} from the Requires-Dist lines of the metadata."""
    names: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        _, _, extra = marker.partition("extra ==")
        name = requirement.split("[")[0]
        for sign in "<>=!~( ":
            name = name.split(sign)[0]
        if extra and name != "danlu":
            names.setdefault(extra.strip(" '\"()"), []).append(name)
    return names
