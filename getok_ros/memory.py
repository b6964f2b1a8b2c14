"""How much memory this process has, and how much of its GPU is taken; empty where that cannot be known. No ROS."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

MIB = 1 << 20


def process_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def gpu_mib() -> tuple[float, float] | None:
    """Used and total memory of the GPU that CUDA_VISIBLE_DEVICES numbers first, else of the first; None without one."""
    library = _nvml()
    if library is None:
        return None
    device, memory = ctypes.c_void_p(), (ctypes.c_ulonglong * 3)()  # total, free, used
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
    if library.nvmlDeviceGetHandleByIndex_v2(int(named) if named.isdecimal() else 0, ctypes.byref(device)):
        return None
    if library.nvmlDeviceGetMemoryInfo(device, memory):
        return None
    return memory[2] / MIB, memory[0] / MIB


def memory_values() -> dict[str, str]:
    """Both as values of a status."""
    gpu = gpu_mib()
    on_gpu = {"GPU memory used [MiB]": f"{gpu[0]:.0f}", "GPU memory total [MiB]": f"{gpu[1]:.0f}"} if gpu else {}
    return {"process memory [MiB]": f"{process_mib():.1f}", **on_gpu}


@cache
def _nvml() -> Any:
    """NVIDIA's management library, which comes with its driver."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
        return None if library.nvmlInit_v2() else library
    except OSError:
        return None
