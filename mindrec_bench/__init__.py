"""mindrec-bench: compare decoders and baselines for generative recommendation, and trust the answer.

    import mindrec_bench as mb

    run = mb.run("markov", "adaptive", data="arts")
    run.metrics["ndcg@10"]

The names in `__all__` are the Python API (docs/python.md); they are imported when they are first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Run, compare, fit, load_run, run, runs
    from .errors import MrbenchError
    from .experiment.config import ExecutionOptions, ExperimentConfig
    from .report.compare import RunComparison

__all__ = [
    "ExecutionOptions",
    "ExperimentConfig",
    "MrbenchError",
    "Run",
    "RunComparison",
    "compare",
    "fit",
    "load_run",
    "run",
    "runs",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mindrec-bench")
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from . import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
