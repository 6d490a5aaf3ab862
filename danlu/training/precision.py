"""Where and in what numbers a model runs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch.utils import deterministic

from danlu.errors import WrongInput
from danlu.training.allocator import keep_freed_memory

WORTH = 1.15
"""How much faster a product must be in bfloat16 for casting weights and activations to pay."""

DType = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda", "mps"]

AVAILABLE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}
"""Whether there is one, the device to be preferred first."""


@dataclass(frozen=True)
class Machine:
    """Resolved once for a run and written down: the same three give the same bits."""

    device: str
    dtype: str
    threads: int

    def apply(self) -> None:
        torch.set_num_threads(self.threads)
        if self.device == "cpu":
            keep_freed_memory()
        if self.device == "cuda":
            repeat_exactly()

    def autocast(self) -> AbstractContextManager[Any]:
        """Matrix products in bfloat16 where that was chosen; weights and sums stay in float32."""
        if self.dtype == "float32":
            return nullcontext()
        return torch.autocast(self.device, dtype=torch.bfloat16)

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def repeat_exactly() -> None:
    """Only operations on a GPU that give the same bits every time, without which a run could not go on as if it had
    never stopped: an atomic sum depends on who comes first (docs/decisions/0011). torch raises for one that has no such
    form. cuBLAS is told by the environment, before its first product."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def native_bfloat16(device: str) -> bool:
    """Whether the processor has bfloat16 products (avx512_bf16 or amx on x86, bf16 on Arm; Ampere and later GPUs)."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities() if device == "cpu" else {}  # Metal's bfloat16 is not trusted unasked
    return any(able.get(flag, False) for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def bfloat16_pays(device: str) -> bool:
    """Whether bfloat16 products are really faster: on some processors that have them they are not, so a GPU is trusted
    and a CPU is timed."""
    if not native_bfloat16(device):
        return False
    if device == "cuda":
        return True
    seconds = {dtype: product_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return seconds[torch.bfloat16] * WORTH < seconds[torch.float32]


def product_seconds(dtype: torch.dtype) -> float:
    """Best time of a product of the size a small model has: [2048, 256] by [256, 1024]."""
    a, b = torch.ones(2048, 256, dtype=dtype), torch.ones(1024, 256, dtype=dtype)
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        torch.nn.functional.linear(a, b)
        best = min(best, time.perf_counter() - start)
    return best


def device_found(device: str, setting: str) -> str:
    """The device of that name, or the one to be preferred; WrongInput names the setting that asks for one that is not
    there."""
    there = [name for name, available in AVAILABLE.items() if available()]
    if device != "auto" and device not in there:
        raise WrongInput(f"{setting}: this machine has no {device}; it has {' and '.join(there)}")
    return there[0] if device == "auto" else device


def resolve_machine(dtype: DType = "auto", threads: int | None = None, device: Device = "auto") -> Machine:
    """The device, dtype and threads a run takes when the recipe leaves them open. WrongInput for a device that is not
    there."""
    found = device_found(device, "machine.device")
    threads = threads or usable_cores()
    torch.set_num_threads(threads)
    chosen = dtype if dtype != "auto" else "bfloat16" if bfloat16_pays(found) else "float32"
    return Machine(found, chosen, threads)


def recorded(facts: dict[str, Any]) -> Machine:
    """What a run was begun with; WrongInput where its device is not here."""
    machine = Machine(**facts)
    device_found(machine.device, "machine.device, as the run was begun with")
    return machine


def usable_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment(machine: Machine) -> dict[str, Any]:
    """Facts for the report."""
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
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except FileNotFoundError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
