"""What this machine has for `mrbench`: packages, devices, data, weights, and what each model would do here.

It only reports: what is missing is a line, never an error.
"""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ..data import locate
from ..distributed.devices import package_version, pick_device
from ..errors import MrbenchError
from ..plugins import registry

NEEDED = ("torch", "transformers", "accelerate", "peft", "huggingface_hub", "numpy", "scipy", "scikit-learn", "pyarrow")
EXTRAS = {
    "bitsandbytes": "published LLMs in 8 bits",
    "recbole": "models 'sasrec' and 'recbole', with work-arounds for NumPy 2, pandas 3 and torch while it runs",
    "distributed": "sweeps on a Dask cluster",
    "ranx": "one test of exported rankings",
}
"""Packages that may be missing, and what they are for."""

GIB = 2**30
_HUB_SECONDS = 3.0


class Line(NamedTuple):
    """One finding: what was looked at, whether it is there, and what there is to say."""

    part: str
    name: str
    ok: bool
    words: str


def examine(data_dir: Path | None) -> list[Line]:
    """Look at everything; nothing is downloaded, nothing is written.

    Args:
        data_dir: where data folders are, or None for the usual places.
    """
    device = pick_device("auto")
    return [*_packages(), *_devices(), *_data(data_dir), *_hub(), *_models(device)]


def _packages() -> list[Line]:
    lines = [Line("packages", "python", True, platform.python_version())]
    for name in NEEDED:
        version = package_version(name)
        lines.append(Line("packages", name, version is not None, version or "not installed, and needed"))
    for name, purpose in EXTRAS.items():
        there = find_spec(name) is not None
        lines.append(Line("packages", name, there, f"{package_version(name) or 'not installed'}; for {purpose}"))
    return lines


def _devices() -> list[Line]:
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB if hasattr(os, "sysconf") else 0
    lines = [Line("devices", "cpu", True, f"{os.cpu_count()} cores, {memory:.0f} GiB, torch uses {_threads()}")]
    if not torch.cuda.is_available():
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built without CUDA"
        return [*lines, Line("devices", "cuda", False, f"no GPU found; {built}")]
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        words = f"{torch.cuda.get_device_name(number)}, {free / GIB:.0f} of {total / GIB:.0f} GiB free"
        lines.append(Line("devices", f"cuda:{number}", True, words))
    return lines


def _threads() -> str:
    import torch

    threads = torch.get_num_threads()
    return f"{threads} thread{'s' if threads > 1 else ''}"


def _data(data_dir: Path | None) -> list[Line]:
    lines = []
    for name in registry.names("data"):
        folder = registry.load("data", name).folder
        if not folder:
            lines.append(Line("data", name, True, "needs no files"))
            continue
        path = locate.find(folder, data_dir)
        words = str(path) if path else f"not on this machine; `mrbench data fetch {name}` downloads it"
        lines.append(Line("data", name, path is not None, words))
    return lines


def _hub() -> list[Line]:
    """Whether the hub answers, and which models lie in its cache."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    endpoint = constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        lines = [Line("hub", endpoint, False, "not asked: HF_HUB_OFFLINE is set")]
    else:
        try:
            get_session().head(endpoint, timeout=_HUB_SECONDS)
            lines = [Line("hub", endpoint, True, "answers")]
        except Exception as error:  # whatever the HTTP library below raises
            words = f"can't be reached ({type(error).__name__}); data and weights must be on this machine"
            lines = [Line("hub", endpoint, False, words)]
    return [*lines, *_cached()]


def _cached() -> list[Line]:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = [repo for repo in scan_cache_dir().repos if repo.repo_type == "model"]
    except CacheNotFound:
        repositories = []
    if not repositories:
        return [Line("hub", "weights", False, f"none in {constants.HF_HUB_CACHE}")]
    repositories.sort(key=lambda repo: repo.repo_id)
    return [Line("hub", repo.repo_id, True, f"{repo.size_on_disk / GIB:.1f} GiB in the cache") for repo in repositories]


def _models(device: str) -> list[Line]:
    """For each model whether it can run here, and what `--size auto` takes on real data."""
    lines = []
    for name in registry.names("model"):
        try:
            cls = registry.load("model", name)
            lack = cls.missing_requirements()
            lines.append(Line("models", name, not lack, lack or _auto(cls, device)))
        except MrbenchError as error:
            lines.append(Line("models", name, False, str(error)))
    return lines


def _auto(cls: Any, device: str) -> str:
    if not cls.sizes:
        return "ready; nothing to train"
    try:
        backbone = cls()
    except TypeError:  # an option has no default
        return f"ready; sizes {', '.join(cls.sizes)}"
    size, why = backbone.auto_size(simulation=False, device=device)
    return f"ready; --size auto on real data is {size} (auto: {why})"


def to_text(lines: list[Line]) -> str:
    """A paragraph for each part; what is missing is marked with a dash."""
    width = max(len(line.name) for line in lines)
    out, part = [], ""
    for line in lines:
        if line.part != part:
            out += [*([""] if part else []), line.part]
            part = line.part
        out.append(f"  {'+' if line.ok else '-'} {line.name:<{width}}  {line.words}".rstrip())
    return "\n".join(out)
