"""Where a result was computed: device, memory, versions."""

from __future__ import annotations

import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..errors import UsageError

PACKAGES = ("mindrec-bench", "torch", "transformers", "numpy", "scipy", "scikit-learn", "pyarrow")


def pick_device(asked: str) -> str:
    """`cpu` or `cuda`, for `auto` whichever is there.

    Raises:
        UsageError: `cuda` is asked for and there is none.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device is cuda, but torch finds no CUDA device; use --device cpu")
    return asked


def check_devices(device: str, processes: int) -> None:
    """Refuse more processes on this machine than it has GPUs; a CPU takes any number.

    Raises:
        UsageError: there are too few GPUs.
    """
    import torch

    if device == "cuda" and processes > torch.cuda.device_count():
        raise UsageError(
            f"{processes} processes take a GPU each, and this machine has {torch.cuda.device_count()}; give --devices "
            "(and --train-devices, for training) as many, or take --device cpu"
        )


def environment(device: str) -> dict[str, Any]:
    """Device, its name, threads and package versions, as stored with every run."""
    import torch

    return {
        "device": device,
        "device_name": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {package: package_version(package) for package in PACKAGES},
    }


def package_version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def peak_bytes(device: str) -> int:
    """The most memory this process has used so far: of the GPU on `cuda`, else of the machine."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
