"""The functions of the Python API, for scripts and notebooks (docs/python.md); `mindrec_bench` exports them.

They compute, store and find the same runs as the command line, and take the same settings: the fields of
`ExperimentConfig` and `ExecutionOptions`, by their names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from .errors import MrbenchError as MrbenchError
from .errors import UsageError
from .experiment.config import ExecutionOptions, ExperimentConfig
from .io.schema import own_fields_first, require_choice, validate_keys
from .plugins import options as plugin_options
from .plugins import registry
from .plugins.messages import discard_messages, messages_on_stderr
from .report.compare import RunComparison, compare_runs
from .stats.comparison import PairedTest
from .stats.resampling import RESAMPLES
from .store.runs import Run as StoredRun
from .store.runs import find_run, find_runs

if TYPE_CHECKING:
    from .experiment.recommend import Recommendations

discard_messages()


def _show_settings(*leading: str, without: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """A decorator: the signature has the fields of the configurations as its keywords, for `help` and for editors.

    Args:
        leading: fields that may be given by position.
        without: fields that the function does not take.
    """

    def decorate(function: Any) -> Any:
        parameters = []
        for cls in (ExperimentConfig, ExecutionOptions):
            hints = get_type_hints(cls)
            for field in own_fields_first(cls):
                if field.name in without:
                    continue
                first = field.name in leading
                parameters.append(
                    inspect.Parameter(
                        field.name,
                        inspect.Parameter.POSITIONAL_OR_KEYWORD if first else inspect.Parameter.KEYWORD_ONLY,
                        default=inspect.Parameter.empty if field.default is MISSING else field.default,
                        annotation=Any if first else hints[field.name],
                    )
                )
        result = inspect.signature(function).return_annotation
        function.__signature__ = inspect.Signature(parameters, return_annotation=result)
        return function

    return decorate


_NOT_OF_RECOMMENDING = ("runs_dir", "devices", "fresh", "wait", "track", "shard_users")
"""The fields of `ExecutionOptions` that `Run.recommend` does not take."""


@dataclass(frozen=True, repr=False)
class Run(StoredRun):
    """A finished run: what it is, what came out, and its model's answers to other histories."""

    @classmethod
    def of(cls, stored: StoredRun) -> Run:
        """The same run, with what this module adds."""
        return cls(stored.path, stored.spec, stored.summary, stored.files)

    def recommend(
        self, *, user: str | None = None, history: Sequence[str] | None = None, k: int = 10, **settings: Any
    ) -> Recommendations:
        """Recommend items with the run's fitted model, to a user of its data or to anybody with a history.

            run.recommend(history=["b0041", "b0007"], k=5).items

        Args:
            user: own id of a user of the data; all of the user's items are the history.
            history: own ids of items, the latest last, instead of a user.
            k: how many items.
            settings: `data_dir`, `device`, `batch_size` and `quiet` of `ExecutionOptions`.

        Raises:
            UsageError: unknown ids, an unknown setting, or not exactly one of `user` and `history`.
            DataError: the run's data or fitted model is missing or has changed.
        """
        from .experiment.recommend import recommend

        options = _read_options(settings, "Run.recommend", hidden=_NOT_OF_RECOMMENDING)
        with _messages(options):
            return recommend(self, user=user, history=history, k=k, options=options)


@_show_settings("model", "decoder")
def run(model: Any, decoder: Any, **settings: Any) -> Run:
    """Compute a run, or return the stored one.

    An interrupted call (Ctrl-C, or a notebook's stop button) raises `KeyboardInterrupt`; the same call continues from
    what is done.

        run("markov", "adaptive", data="arts")
        run("markov", Adaptive(rescore=4), data="arts", seed=1, quiet=False)

    Args:
        model: `NAME` or `NAME:key=value,...` as on the command line, or a configured backbone, an instance of a
            registered class or of any other that fits the contract (docs/extending-backbones.md).
        decoder: the same of a decoder (docs/extending-decoders.md).
        settings: other fields of `ExperimentConfig` and `ExecutionOptions`: `data`, `size`, `beam`, `seed`, `device`,
            `runs_dir`, ... Folders may be text. With `quiet=False` there are progress bars and messages on stderr.

    Returns:
        The finished run.

    Raises:
        UsageError: an unknown setting or name, a wrong value, a model and a decoder that do not fit each other, or an
            object that does not fit the contract.
        DataError: data or weights are missing or broken.
        MrbenchError: it failed while running.
    """
    from .experiment.run import run_experiment

    with _names({"model": model, "decoder": decoder}) as names:
        config, options = _read_settings({**names, **settings}, "mindrec_bench.run")
        with _messages(options):
            return Run.of(run_experiment(ExperimentConfig(**config), options).run)


_OF_DECODING = ("decoder", "beam", "constrain", "eval_users", "exclude_history", "search_error", "split", "batch_size")
"""The fields that `fit` does not take."""


@_show_settings("model", without=_OF_DECODING)
def fit(model: Any, **settings: Any) -> dict[str, Any]:
    """Train a model without decoding, or return what is stored of it; runs with the same settings decode with it.

    Args:
        model: as in `run`.
        settings: fields of `ExperimentConfig` that change the fitted model, and of `ExecutionOptions`.

    Returns:
        `model`, `data`, `size`, `fit` (its id), `path`, `report` (what training did, see `FitReport`), and `fitted`:
        False where it was stored already.

    Raises:
        UsageError: the model has nothing to train, or see `run`.
        DataError, MrbenchError: see `run`.
    """
    from .experiment.run import fit_model

    with _names({"model": model}) as names:
        config, options = _read_settings({**names, **settings}, "mindrec_bench.fit", hidden=_OF_DECODING)
        with _messages(options):
            return fit_model(config, options)


def load_run(run: str | Path, *, runs_dir: str | Path = ExecutionOptions.runs_dir) -> Run:
    """A stored run.

    Args:
        run: its id, the start of its id, or its folder.
        runs_dir: the run store.

    Raises:
        UsageError: no run, or several, are named so; or an earlier version stored it.
        MrbenchError: the run is not finished.
        DataError: its summary is damaged.
    """
    return Run.of(find_run(Path(runs_dir), str(run)))


def runs(runs_dir: str | Path = ExecutionOptions.runs_dir) -> list[Run]:
    """All finished runs of a run store, by path; damaged ones are left out.

    Args:
        runs_dir: the run store; one that does not exist has no runs.
    """
    return [Run.of(run) for run in find_runs(Path(runs_dir))]


def compare(
    *runs: StoredRun, test: PairedTest = "randomisation", resamples: int = RESAMPLES, seed: int = 0
) -> RunComparison:
    """Compare systems with that of the first run, every metric over the same users. Printing it shows the table.

    Args:
        runs: of two systems or more; those that differ only in the seed are one system.
        test: `randomisation`, `t` or `wilcoxon`, for all metrics but HR, Entropy and TTR (docs/semantics.md).
        resamples: of the randomisation tests and the bootstrap.
        seed: of both.

    Raises:
        UsageError: fewer than two systems, a run given twice, an unknown test, or runs over different users or data.
        DataError: a file of a run is missing or damaged.
    """
    require_choice(test, get_args(PairedTest), "test", "mindrec_bench.compare")
    for run in runs:
        if not isinstance(run, StoredRun):
            raise UsageError(f"{run!r} is not a run; read it with mindrec_bench.load_run")
    return compare_runs(runs, test=test, resamples=resamples, seed=seed)


@contextmanager
def _messages(options: ExecutionOptions) -> Iterator[None]:
    """Print what is logged during the block, unless the call is quiet."""
    if options.quiet:
        discard_messages()
        yield
        return
    with messages_on_stderr():
        yield


def _read_settings(
    settings: Mapping[str, Any], where: str, hidden: Collection[str] = ()
) -> tuple[dict[str, Any], ExecutionOptions]:
    """The values of `ExperimentConfig`, and the options, checked by their own fields."""
    names = [field.name for field in own_fields_first(ExecutionOptions) if field.name not in hidden]
    options = {name: value for name, value in settings.items() if name in names}
    config = {name: value for name, value in settings.items() if name not in names}
    values = validate_keys(config, ExperimentConfig, where, hidden=hidden, others=names, label=str)
    return values, _read_options(options, where)


def _read_options(settings: Mapping[str, Any], where: str, hidden: Collection[str] = ()) -> ExecutionOptions:
    """The options, checked by their own fields; folders may be text."""
    hints = get_type_hints(ExecutionOptions)
    values = {
        name: Path(value) if isinstance(value, str) and Path in (hints.get(name), *get_args(hints.get(name))) else value
        for name, value in settings.items()
    }
    return ExecutionOptions(**validate_keys(values, ExecutionOptions, where, hidden=hidden, label=str))


@contextmanager
def _names(plugins: Mapping[registry.Kind, Any]) -> Iterator[dict[str, Any]]:
    """The models and decoders as text; their classes are registered during the block where no package does it."""
    classes: dict[tuple[registry.Kind, str], type] = {}
    names: dict[registry.Kind, str] = {}
    for kind, plugin in plugins.items():
        if isinstance(plugin, str):
            continue
        cls = type(plugin)
        names[kind] = registry.name_of(kind, cls) or _class_name(kind, plugin)
        if registry.name_of(kind, cls) is None:
            classes[kind, names[kind]] = cls
    with registry.registered(classes):
        yield {
            kind: _as_text(kind, names[kind], plugin) if kind in names else plugin for kind, plugin in plugins.items()
        }


def _class_name(kind: registry.Kind, plugin: Any) -> str:
    name = type(plugin).__name__
    if isinstance(plugin, type):
        raise UsageError(f"the {kind} is the class {plugin.__name__}; give an instance of it, {plugin.__name__}()")
    if name in registry.names(kind):
        raise UsageError(f"the class {name} has the name of a registered {kind}; rename it")
    return name


def _as_text(kind: registry.Kind, name: str, plugin: Any) -> str:
    """`NAME:key=value,...` of an object, which must mean the same object."""
    text = plugin_options.label(name, plugin)
    try:
        same = plugin_options.as_dict(registry.make(kind, text)[1]) == plugin_options.as_dict(plugin)
    except UsageError:
        same = False
    if not same:
        raise UsageError(
            f"the {kind} {text} can't be written as text; its options must be numbers, text without commas, yes or no, "
            "or choices"
        )
    return text
