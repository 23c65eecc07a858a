"""Devices: which one to use, whether there are enough, and what a result was computed on."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import UsageError

PACKAGES = ("mindrec-bench", "torch", "transformers", "numpy", "scipy", "scikit-learn", "pyarrow")
"""The packages whose versions are stored with every run."""


_STATUS_FILE, _RESET_FILE = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def pick_device(device: str) -> str:
    """`cpu`, `cuda` or `mps`; `auto` is `cuda` where there is a CUDA device, else `cpu`.

    Raises:
        UsageError: the device is `cuda` or `mps` and there is none.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device is cuda, but torch finds no CUDA device; use --device cpu")
    if device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device is mps, but torch finds no GPU of Apple; use --device cpu")
    return device


def check_devices(device: str, processes: int) -> None:
    """Refuse more processes on this machine than it has GPUs, of which a Mac has one; a CPU takes any number.

    Raises:
        UsageError: there are too few GPUs.
    """
    import torch

    if device == "cpu":
        return
    gpus = torch.cuda.device_count() if device == "cuda" else 1
    if processes > gpus:
        raise UsageError(
            f"{processes} processes need one GPU each, and this machine has {gpus}; lower "
            "--devices (and --train-devices, for training), or use --device cpu"
        )


def environment(device: str) -> dict[str, Any]:
    """Device, its name, threads and package versions, as stored with every run."""
    import torch

    return {
        "device": device,
        "device_name": _device_name(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {package: package_version(package) for package in PACKAGES},
        "commit": _commit(),
    }


@cache
def _commit() -> str:
    """The commit of the checkout that this package is imported from; '' where it is installed otherwise."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return ""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changed" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _device_name(device: str) -> str:
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    if device == "mps" and hasattr(torch.backends.mps, "get_name"):  # older torch has no name for it
        return torch.backends.mps.get_name()
    return platform.processor() or platform.machine()


@cache  # reading it takes longer than a small run decodes
def package_version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def reset_peak_memory(device: str) -> None:
    """Start counting `peak_bytes` anew, where the system can."""
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return
    if device == "mps":
        import torch

        torch.mps.empty_cache()  # what the driver has given grows until then
        return
    with suppress(OSError):  # the peak is then that of the process since its start
        _RESET_FILE.write_text("5")


def peak_bytes(device: str) -> int:
    """The most memory this process has used since `reset_peak_memory`: of a GPU if it has one, else of the machine.

    On `mps` torch keeps no peak; it is what the driver has given so far, with what torch caches.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    if device == "mps":
        import torch

        return torch.mps.driver_allocated_memory()
    if _STATUS_FILE.is_file():
        status = dict(line.split(":", 1) for line in _STATUS_FILE.read_text().splitlines())
        return int(status["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
