"""The machine of a run: device, dtype and threads."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch.utils import deterministic

from danlu.errors import WrongInput
from danlu.training.allocator import keep_freed_memory

MIN_SPEEDUP = 1.15
"""Minimum speed-up of a matrix product in bfloat16 that outweighs the casts of weights and activations."""

DType = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda", "mps"]

AVAILABLE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}
"""Functions that return whether a device is available, in order of preference."""


@dataclass(frozen=True)
class Machine:
    """Device, dtype and threads, resolved once per run and recorded; results are bit-identical for equal values."""

    device: str  # "cpu", "cuda" or "mps"
    dtype: str  # dtype of matrix products, "float32" or "bfloat16"
    threads: int  # threads of PyTorch on the CPU

    def apply(self) -> None:
        """Configure PyTorch and the allocator of this process."""
        torch.set_num_threads(self.threads)
        if self.device == "cpu":
            keep_freed_memory()
        if self.device == "cuda":
            use_deterministic_algorithms()

    def autocast(self) -> AbstractContextManager[Any]:
        """Return an autocast context if `dtype` is bfloat16; weights and reductions remain in float32."""
        if self.dtype == "float32":
            return nullcontext()
        return torch.autocast(self.device, dtype=torch.bfloat16)

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def use_deterministic_algorithms() -> None:
    """Use only deterministic operations on a GPU, so that a resumed run is bit-identical to an uninterrupted one.

    The results of atomic sums depend on the order of threads (docs/decisions/0011). PyTorch raises an error for
    operations without a deterministic implementation. cuBLAS reads its environment variable before the first product.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def native_bfloat16(device: str) -> bool:
    """Whether the processor has bfloat16 instructions: avx512_bf16, amx or Arm's bf16; Ampere and later GPUs."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if device == "cpu" else {}  # "auto" never selects bfloat16 on Metal
    return any(capabilities.get(flag, False) for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def bfloat16_is_faster(device: str) -> bool:
    """Whether bfloat16 products are faster than float32 ones; CPUs are timed, since on some of them they are not."""
    if not native_bfloat16(device):
        return False
    if device == "cuda":
        return True
    seconds = {dtype: product_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return seconds[torch.bfloat16] * MIN_SPEEDUP < seconds[torch.float32]


def product_seconds(dtype: torch.dtype) -> float:
    """Return the best of 20 times, in seconds, of a product of typical size for small models."""
    a, b = torch.ones(2048, 256, dtype=dtype), torch.ones(1024, 256, dtype=dtype)
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        torch.nn.functional.linear(a, b)
        best = min(best, time.perf_counter() - start)
    return best


def resolve_device(device: str, setting: str) -> str:
    """Return the given device, or the preferred available one for "auto".

    Raises:
        WrongInput: if the machine does not have the device; the message begins with `setting`.
    """
    devices = [name for name, available in AVAILABLE.items() if available()]
    if device != "auto" and device not in devices:
        raise WrongInput(f"{setting}: this machine has no {device}; it has {' and '.join(devices)}")
    return devices[0] if device == "auto" else device


def resolve_machine(dtype: DType = "auto", threads: int | None = None, device: Device = "auto") -> Machine:
    """Resolve device, dtype and threads, where a recipe leaves them to danlu.

    Raises:
        WrongInput: if the machine does not have the device.
    """
    resolved = resolve_device(device, "machine.device")
    threads = threads or usable_cores()
    torch.set_num_threads(threads)
    if dtype == "auto":
        dtype = "bfloat16" if bfloat16_is_faster(resolved) else "float32"
    return Machine(resolved, dtype, threads)


def recorded_machine(facts: dict[str, Any]) -> Machine:
    """Return the machine with which a run was started, from its record.

    Raises:
        WrongInput: if its device is not available here.
    """
    machine = Machine(**facts)
    resolve_device(machine.device, "machine.device, which the run was started with")
    return machine


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment(machine: Machine) -> dict[str, Any]:
    """Return facts about machine and libraries for the report."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "os": platform.system(),
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "threads": machine.threads,
        "device": torch.cuda.get_device_name() if machine.device == "cuda" else machine.device,
        "dtype": "bfloat16 autocast" if machine.dtype == "bfloat16" else machine.dtype,
    }


def cpu_name() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except FileNotFoundError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
