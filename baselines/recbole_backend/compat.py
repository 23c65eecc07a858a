"""Everything that RecBole 1.2.1 needs in order to run here, in one place (`baselines/recbole_*.py` go through it).

RecBole was last released for NumPy 1 and pandas 1, and assumes that it owns the process. In `patched_environment()`:

* names that NumPy 2 no longer has (`np.float_`, `np.complex_`, ...) and those that RecBole's `Config` makes of them
  (`np.float`, `np.long`, ...) exist; its evaluator and its data set use them too;
* `series.agg(len)` gives the length of each entry, as in pandas 1, and not of the whole series;
* `sys.argv` is empty, since `Config` reads the command line of whatever program runs it;
* `CUDA_VISIBLE_DEVICES`, which `Config` overwrites, is put back;
* what it prints, logs and warns of is dropped: stdout is for results;
* torch's anomaly detection, which one of its models turns on for the whole process when it is imported, and which
  makes training several times slower, is off;
* its trainer gets no TensorBoard writer, which would make a folder in the working directory.

Further: `recbole.quick_start` is never imported (it needs Ray, and an old setuptools); its checkpoints are neither
written nor read (they hold a pickled `Config`, which `torch.load` refuses), we keep state dicts ourselves.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mindrec_bench.errors import UsageError

OLD_NAMES: dict[str, Any] = {
    "float_": np.float64,
    "complex_": np.complex128,
    "object_": np.object_,
    "unicode_": np.str_,
}
"""Names that `Config` reads and NumPy 2 may lack."""

MADE_NAMES: dict[str, Any] = {
    "bool": np.bool_,
    "int": np.int_,
    "float": np.float64,
    "complex": np.complex128,
    "object": np.object_,
    "str": np.str_,
    "long": np.int_,
    "unicode": np.str_,
}
"""Names that `Config` writes into NumPy, and the rest of RecBole reads there."""

NAME = "mindrec"
"""What the data set is called in RecBole's file names."""


def require() -> None:
    """Refuse to go on without RecBole.

    Raises:
        UsageError: it is not installed, or a package that it imports is missing; says what to install.
    """
    missing = [package for package in ("recbole", "tensorboard", "sklearn") if find_spec(package) is None]
    if not missing:
        return
    if sys.version_info >= (3, 12):
        remedy = "its requirements can't be met on Python 3.12 and later, so use Python 3.11 for it"
    else:
        remedy = "install it with pip install -c constraints.txt 'mindrec-bench[recbole]'"
    raise UsageError(
        f"models 'sasrec' and 'recbole' need RecBole 1.2.1 ({', '.join(missing)} is not installed): {remedy}; "
        "all other models work without it"
    )


@contextmanager
def patched_environment() -> Iterator[None]:
    """Let RecBole run inside, and leave no trace of it in the process. See the module's docstring."""
    import pandas as pd
    import torch

    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        stack.enter_context(_set(logging.root.manager, disable=logging.WARNING))
        stack.enter_context(_set(np, **OLD_NAMES, **MADE_NAMES))
        stack.enter_context(_set(pd.Series, agg=_agg(pd.Series.agg)))
        stack.enter_context(_set(sys, argv=sys.argv[:1]))
        stack.callback(_show_gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
        anomalies = torch.is_anomaly_enabled()
        import recbole.model.sequential_recommender  # noqa: F401

        torch.autograd.set_detect_anomaly(anomalies)
        yield


@contextmanager
def _set(owner: Any, **values: Any) -> Iterator[None]:
    """Give `owner` these attributes, then those it had before."""
    before = {name: getattr(owner, name) for name in values if hasattr(owner, name)}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name in values:
            if name in before:
                setattr(owner, name, before[name])
            else:
                delattr(owner, name)


def _agg(now: Callable[..., Any]) -> Callable[..., Any]:
    def agg(series: Any, func: Any = None, *rest: Any, **more: Any) -> Any:
        return series.map(len) if func is len else now(series, func, *rest, **more)

    return agg


def _show_gpus(visible: str | None) -> None:
    if visible is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible


def config(model: str, settings: dict[str, Any], folder: Path, *, device: str, seed: int) -> Any:
    """RecBole's `Config` for one of its models; its own defaults where `settings` is silent. Seeds everything.

    Args:
        model: RecBole's name of the model.
        settings: RecBole's parameters.
        folder: a temporary folder; data files are expected in `folder / NAME`.
        device: `cpu` or `cuda`.
        seed: RecBole's `seed`.
    """
    from recbole.config import Config
    from recbole.utils import init_seed

    on_gpu = device != "cpu"
    machine = {
        "gpu_id": os.environ.get("CUDA_VISIBLE_DEVICES", "0") if on_gpu else "",
        "use_gpu": on_gpu,
        "seed": seed,
        "data_path": str(folder),
        "checkpoint_dir": str(folder),
        "show_progress": False,
    }
    made = Config(model=model, dataset=NAME, config_dict={**settings, **machine})
    init_seed(seed, made["reproducibility"])
    return made


def trainer(settings: Any, network: Any) -> Any:
    """RecBole's own trainer for a `Config` and a model, without its TensorBoard writer."""
    from recbole.trainer import trainer as module
    from recbole.utils import get_trainer

    with _set(module, get_tensorboard=lambda logger: _NoBoard()):
        return get_trainer(settings["MODEL_TYPE"], settings["model"])(settings, network)


class _NoBoard:
    """Takes what RecBole's trainer would show in TensorBoard."""

    def add_scalar(self, *values: Any) -> None:
        """Drop it."""

    def add_hparams(self, *values: Any) -> None:
        """Drop it."""
