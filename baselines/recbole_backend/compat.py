"""Everything that makes RecBole 1.2.1 run here, in one place.

RecBole was last released for NumPy 1 and pandas 1, and assumes that it owns the process. In `patched_environment()`:

* names that NumPy 2 has removed (`np.float_`, `np.complex_`, ...) and aliases that RecBole's `Config` adds (`np.float`,
  `np.long`, ...) exist, since its evaluator and its dataset use them too;
* `series.agg(len)` gives the length of each entry, as in pandas 1, and not that of the whole series;
* `sys.argv` has no arguments, since `Config` reads the command line of whatever program runs it;
* `CUDA_VISIBLE_DEVICES`, which `Config` overwrites, is restored;
* what RecBole prints, logs and warns of is discarded: stdout is for results;
* torch's anomaly detection, which one of RecBole's models turns on for the whole process when it is imported, and which
  makes training several times slower, is off.

RecBole's trainer gets no TensorBoard writer, which would make a folder in the working directory. `recbole.quick_start`
is never imported (it needs Ray and an old setuptools). RecBole's checkpoints are neither written nor read (they hold a
pickled `Config`, which `torch.load` refuses); `resumable_trainer` stores state dicts instead.
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

REMOVED_NUMPY_NAMES: dict[str, Any] = {
    "float_": np.float64,
    "complex_": np.complex128,
    "object_": np.object_,
    "unicode_": np.str_,
}
"""Names that `Config` reads from NumPy and NumPy 2 may lack."""

ADDED_NUMPY_NAMES: dict[str, Any] = {
    "bool": np.bool_,
    "int": np.int_,
    "float": np.float64,
    "complex": np.complex128,
    "object": np.object_,
    "str": np.str_,
    "long": np.int_,
    "unicode": np.str_,
}
"""Names that `Config` adds to NumPy, from where the rest of RecBole reads them."""

DATASET_NAME = "mindrec"
"""The name of the dataset in RecBole's file names."""


def require_recbole() -> None:
    """Check that RecBole can be imported.

    Raises:
        UsageError: it or a package that it imports is not installed; the message says what to install.
    """
    missing = [package for package in ("recbole", "tensorboard", "sklearn") if find_spec(package) is None]
    if not missing:
        return
    if sys.version_info >= (3, 12):
        remedy = "its requirements can't be met on Python 3.12 and later, so use Python 3.11 for it"
    else:
        remedy = "install it with pip install -c constraints.txt recbole==1.2.1"
    raise UsageError(
        f"models 'sasrec' and 'recbole' need RecBole 1.2.1 ({', '.join(missing)} is not installed): {remedy}; "
        "all other models work without it"
    )


@contextmanager
def patched_environment() -> Iterator[None]:
    """Let RecBole run in the block, and undo afterwards what it and the patches change in the process.

    The module's docstring lists the patches.
    """
    import pandas as pd
    import torch

    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        logging.root.addFilter(_discard)  # asked about what is logged by the root itself, as RecBole does
        stack.callback(logging.root.removeFilter, _discard)
        stack.enter_context(_patched(np, **REMOVED_NUMPY_NAMES, **ADDED_NUMPY_NAMES))
        stack.enter_context(_patched(pd.Series, agg=_agg_as_in_pandas_1(pd.Series.agg)))
        stack.enter_context(_patched(sys, argv=sys.argv[:1]))
        stack.callback(_restore_visible_devices, os.environ.get("CUDA_VISIBLE_DEVICES"))
        detect_anomaly = torch.is_anomaly_enabled()
        import recbole.model.sequential_recommender  # noqa: F401

        torch.autograd.set_detect_anomaly(detect_anomaly)
        yield


def _discard(record: logging.LogRecord) -> bool:
    return False


@contextmanager
def _patched(owner: Any, **values: Any) -> Iterator[None]:
    """Set attributes of `owner`, and restore them afterwards."""
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


def _agg_as_in_pandas_1(current_agg: Callable[..., Any]) -> Callable[..., Any]:
    def agg(series: Any, func: Any = None, *args: Any, **kwargs: Any) -> Any:
        return series.map(len) if func is len else current_agg(series, func, *args, **kwargs)

    return agg


def _restore_visible_devices(value: str | None) -> None:
    if value is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = value


def make_config(model: str, settings: dict[str, Any], folder: Path, *, device: str, seed: int) -> Any:
    """RecBole's `Config` for one of its models, with its defaults for what `settings` lacks; seeds all generators.

    Args:
        model: its name in RecBole.
        settings: RecBole's settings.
        folder: a temporary folder, with the data files in `folder / DATASET_NAME`.
        device: `cpu`, `cuda` or `mps`, for which RecBole takes the CPU.
        seed: RecBole's `seed`.
    """
    from recbole.config import Config
    from recbole.utils import init_seed

    on_gpu = device == "cuda"
    environment = {
        "gpu_id": os.environ.get("CUDA_VISIBLE_DEVICES", "0") if on_gpu else "",
        "use_gpu": on_gpu,
        "seed": seed,
        "data_path": str(folder),
        "checkpoint_dir": str(folder),
        "show_progress": False,
    }
    config = Config(model=model, dataset=DATASET_NAME, config_dict={**settings, **environment})
    init_seed(seed, config["reproducibility"])
    return config


def make_trainer(config: Any, network: Any) -> Any:
    """RecBole's trainer for a `Config` and a model, without its TensorBoard writer."""
    from recbole.trainer import trainer
    from recbole.utils import get_trainer

    with _patched(trainer, get_tensorboard=lambda logger: _NullTensorBoard()):
        return get_trainer(config["MODEL_TYPE"], config["model"])(config, network)


class _NullTensorBoard:
    """Stands in for the TensorBoard writer of RecBole's trainer."""

    def add_scalar(self, *args: Any) -> None:
        """Discard it."""

    def add_hparams(self, *args: Any) -> None:
        """Discard it."""
