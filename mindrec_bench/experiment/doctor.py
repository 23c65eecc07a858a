"""`mrbench doctor`: the packages, devices, data, weights and models that this machine has for `mrbench`.

It only reports: whatever is missing is a line of the report, never an error.
"""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..core.backbone import Backbone
from ..data import locate
from ..data.sources import HubSource
from ..distributed.devices import package_version, pick_device
from ..errors import MrbenchError
from ..plugins import registry

REQUIRED = (
    "torch", "transformers", "accelerate", "peft", "huggingface_hub", "numpy", "scipy", "scikit-learn", "pyarrow",
)  # fmt: skip
OPTIONAL = {
    "bitsandbytes": "published LLMs in 8 bits",
    "recbole": "models 'sasrec' and 'recbole', with work-arounds for NumPy 2, pandas 3 and torch while it runs",
    "distributed": "sweeps on a Dask cluster",
    "ranx": "one test of exported rankings",
}
"""Packages that may be missing, and what they are for."""

GIB = 2**30
_HUB_TIMEOUT = 3.0
"""Seconds."""


class Diagnostic(NamedTuple):
    """One line of the report: what was examined, whether it is usable, and details."""

    part: str
    name: str
    ok: bool
    words: str


def diagnose(data_dir: Path | None) -> list[Diagnostic]:
    """Examine everything; nothing is downloaded, nothing is written.

    Args:
        data_dir: where data folders are, or None for the usual places.
    """
    device = pick_device("auto")
    return [*_packages(), *_devices(), *_data(data_dir), *_hub(), *_weights(), *_models(device)]


def _packages() -> list[Diagnostic]:
    lines = [Diagnostic("packages", "python", True, platform.python_version())]
    for name in REQUIRED:
        version = package_version(name)
        lines.append(Diagnostic("packages", name, version is not None, version or "not installed, and needed"))
    for name, purpose in OPTIONAL.items():
        installed = find_spec(name) is not None
        words = f"{package_version(name) or 'not installed'}; for {purpose}"
        lines.append(Diagnostic("packages", name, installed, words))
    return lines


def _devices() -> list[Diagnostic]:
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB if hasattr(os, "sysconf") else 0
    threads = torch.get_num_threads()
    words = f"{os.cpu_count()} cores, {memory:.0f} GiB, torch uses {threads} thread{'s' if threads > 1 else ''}"
    lines = [Diagnostic("devices", "cpu", True, words)]
    if torch.backends.mps.is_available():
        lines.append(Diagnostic("devices", "mps", True, "Apple's GPU, used only where --device mps asks for it"))
    if not torch.cuda.is_available():
        build = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built without CUDA"
        return [*lines, Diagnostic("devices", "cuda", False, f"no GPU found; {build}")]
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        words = f"{torch.cuda.get_device_name(number)}, {free / GIB:.0f} of {total / GIB:.0f} GiB free"
        lines.append(Diagnostic("devices", f"cuda:{number}", True, words))
    return lines


def _data(data_dir: Path | None) -> list[Diagnostic]:
    lines = []
    for name in registry.names("data"):
        cls = registry.load("data", name)
        folder = cls.folder
        if not folder:
            lines.append(Diagnostic("data", name, True, "needs no files"))
            continue
        path = locate.find_folder(folder, data_dir)
        hint = f"; `mrbench data fetch {name}` downloads it" if issubclass(cls, HubSource) else ""
        words = str(path) if path else f"not on this machine{hint}"
        lines.append(Diagnostic("data", name, path is not None, words))
    return lines


def _hub() -> list[Diagnostic]:
    """Whether the Hugging Face hub can be reached."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    endpoint = constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        return [Diagnostic("hub", endpoint, False, "not tried: HF_HUB_OFFLINE is set")]
    try:
        get_session().head(endpoint, timeout=_HUB_TIMEOUT)
    except Exception as error:  # the HTTP library below the hub's client may be any
        words = f"can't be reached ({type(error).__name__}); data and weights must be on this machine"
        return [Diagnostic("hub", endpoint, False, words)]
    return [Diagnostic("hub", endpoint, True, "can be reached")]


def _weights() -> list[Diagnostic]:
    """The models in the hub's cache."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = [repo for repo in scan_cache_dir().repos if repo.repo_type == "model"]
    except CacheNotFound:
        repositories = []
    if not repositories:
        return [Diagnostic("hub", "weights", False, f"none in {constants.HF_HUB_CACHE}")]
    repositories.sort(key=lambda repo: repo.repo_id)
    return [
        Diagnostic("hub", repo.repo_id, True, f"{repo.size_on_disk / GIB:.1f} GiB in the cache")
        for repo in repositories
    ]


def _models(device: str) -> list[Diagnostic]:
    """Whether each model can run here, and the size that `--size auto` chooses on real data."""
    lines = []
    for name in registry.names("model"):
        try:
            cls = registry.load("model", name)
            missing = cls.missing_requirements()
            lines.append(Diagnostic("models", name, not missing, missing or _auto_size(cls, device)))
        except MrbenchError as error:
            lines.append(Diagnostic("models", name, False, str(error)))
    return lines


def _auto_size(cls: type[Backbone], device: str) -> str:
    if not cls.sizes:
        return "ready; nothing to train"
    try:
        backbone = cls()
    except TypeError:  # an option has no default
        return f"ready; sizes {', '.join(cls.sizes)}"
    size, reason = backbone.auto_size(simulation=False, device=device)
    needed = backbone.with_size_defaults(size).training_bytes(size)
    memory = "" if needed is None else f", about {needed / GIB:.0f} GiB to fine-tune"
    return f"ready; --size auto on real data is {size} (auto: {reason}{memory})"


def to_text(lines: list[Diagnostic]) -> str:
    """One paragraph for each part; what is missing is marked with a dash."""
    width = max(len(line.name) for line in lines)
    text, part = [], ""
    for line in lines:
        if line.part != part:
            text += [*([""] if part else []), line.part]
            part = line.part
        text.append(f"  {'+' if line.ok else '-'} {line.name:<{width}}  {line.words}".rstrip())
    return "\n".join(text)
