"""Find backbones, decoders and datasets by entry point, and tell which model and decoder fit each other.

Built-ins and third-party packages register in the same way (pyproject.toml):

    [project.entry-points."mindrec_bench.decoders"]
    my-decoder = "my_package:MyDecoder"
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from traceback import walk_tb
from typing import Any, Literal

from ..core.backbone import Backbone, DataSource
from ..core.protocols import Capability, Needs
from ..errors import UsageError, did_you_mean
from ..io.hashing import short_hash
from . import options
from .source_code import OURS, is_built_in, source_of

logger = logging.getLogger(__name__)

Kind = Literal["model", "decoder", "data"]

GROUPS: dict[Kind, str] = {
    "model": "mindrec_bench.backbones",
    "decoder": "mindrec_bench.decoders",
    "data": "mindrec_bench.datasets",
}
"""The entry-point group of each kind."""

BASES: dict[Kind, type] = {"model": Backbone, "data": DataSource}
"""What registered classes inherit from; decoders have no optional hooks, and no base."""

REQUIRED_ATTRIBUTES: dict[Kind, tuple[str, ...]] = {
    "model": ("capability",),
    "decoder": ("needs", "decode"),
    "data": (),
}
"""What a class must define besides the abstract methods of its base."""

CAN_ANSWER: dict[Capability, tuple[Capability, ...]] = {
    "items": ("items", "denoiser", "causal"),
    "denoiser": ("denoiser", "causal"),
    "causal": ("causal",),
}
"""What a backbone of each capability can answer, itself or through an adapter."""

WHY_NOT: dict[tuple[Capability, Capability], str] = {
    ("denoiser", "items"): "it gives probabilities of codes, not a score for every item",
    ("causal", "items"): "it gives probabilities of the next code, not a score for every item",
    ("causal", "denoiser"): "it only knows the next code from left to right, not any masked slot",
}
"""(capability, needs) -> why no adapter exists."""


@dataclass(frozen=True)
class RegistryEntry:
    """A registered name, as `mrbench list` shows it.

    Attributes:
        name: as on the command line.
        summary: the first line of the class's docstring.
        capability: what a backbone answers or a decoder needs, `A, B` where it takes several; '' for datasets.
        origin: the class and its package.
    """

    name: str
    summary: str
    capability: str
    origin: str

    @property
    def needs(self) -> Needs:
        """What a decoder needs."""
        return tuple(self.capability.split(", "))  # type: ignore[arg-type]


@cache
def _installed_points() -> dict[Kind, list[EntryPoint]]:
    """The entry points of all installed packages, read once: it takes a while."""
    points = entry_points()
    return {kind: list(points.select(group=group)) for kind, group in GROUPS.items()}


@cache
def _entry_points(kind: Kind) -> dict[str, EntryPoint]:
    """Name -> entry point, by name."""
    points: dict[str, EntryPoint] = {}
    for point in _installed_points()[kind]:
        other = points.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(
                f"two packages register the {kind} '{point.name}': {_origin(other)} and {_origin(point)}; uninstall one"
            )
    return dict(sorted(points.items()))


def find_new_packages() -> None:
    """Read the entry points again: packages were installed or removed while this process runs."""
    _installed_points.cache_clear()
    _entry_points.cache_clear()


_classes: dict[tuple[Kind, str], type] = {}
"""(kind, name) -> a class that this process has registered for a while."""


@contextmanager
def registered(classes: Mapping[tuple[Kind, str], type]) -> Iterator[None]:
    """Register classes without a package, in this process and for the block; `mindrec_bench.run` takes objects so.

    As that of every class that is not built in, its code is part of a run's identity (`code_hash`).

    Args:
        classes: (kind, name) -> class. A name hides an equal one of a package.

    Raises:
        UsageError: a class does not fit the contract.
    """
    for (kind, name), cls in classes.items():
        if violation := _contract_violation(kind, cls):
            raise UsageError(f"the {kind} {name} does not fit the contract: {violation}")
    before = dict(_classes)
    _classes.update(classes)
    try:
        yield
    finally:
        _classes.clear()
        _classes.update(before)


def classes_of_process() -> dict[tuple[Kind, str], type]:
    """What `registered` has registered, for other processes of a run."""
    return dict(_classes)


def name_of(kind: Kind, cls: type) -> str | None:
    """The name that a package registers a class under; None where there is none."""
    value = f"{cls.__module__}:{cls.__qualname__}"
    return next((name for name, point in _entry_points(kind).items() if point.value == value), None)


def code_hash(kind: Kind, name: str) -> str:
    """The hash of the code behind a name (`source_code`); '' for what is built in.

    Raises:
        UsageError: the source can't be read, or see `load`.
    """
    cls = load(kind, name)
    return "" if is_built_in(cls) else short_hash({"code": source_of(cls)})


def code_origin(kind: Kind, name: str) -> str:
    """The class behind a name, its package and version, and `code_hash`; '' for what is built in.

    Raises:
        UsageError: see `code_hash`.
    """
    digest = code_hash(kind, name)
    if not digest:
        return ""
    cls, point = load(kind, name), None if is_of_process(kind, name) else _entry_points(kind)[name]
    package = f" of {point.dist.name} {point.dist.version}" if point is not None and point.dist else ""
    return f"{cls.__module__}:{cls.__qualname__}{package}, code {digest}"


def is_of_process(kind: Kind, name: str) -> bool:
    """Whether this process has registered a name, and no package."""
    return (kind, name) in _classes


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist else "unknown package"
    return f"{point.value} ({package})"


def packages() -> set[str]:
    """The top-level packages of all registered classes, which are also the names of their loggers."""
    modules = [point.module for points in _installed_points().values() for point in points]
    return {module.partition(".")[0] for module in (*modules, *(cls.__module__ for cls in _classes.values()))}


def plugin_of(error: BaseException) -> str:
    """The top-level package of a registered class that is not built in, whose code raised an error; '' for others."""
    plugins = packages() - set(OURS)
    frames = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    raised = [name.partition(".")[0] for name in frames]
    return next((package for package in reversed(raised) if package in plugins), "")


def names(kind: Kind) -> list[str]:
    """All registered names of a kind, sorted."""
    return sorted({*_entry_points(kind), *(name for one, name in _classes if one == kind)})


def load(kind: Kind, name: str) -> Any:
    """Import and return the class registered under a name.

    Raises:
        UsageError: there is no such name, its package can't be imported, or the class does not fit the contract.
    """
    if (kind, name) in _classes:
        return _classes[kind, name]
    points = _entry_points(kind)
    if name not in points:
        raise UsageError(
            f"unknown {kind} '{name}'{did_you_mean(name, points)}; known: {', '.join(names(kind))} (see `mrbench list`)"
        )
    try:
        cls = points[name].load()
    except Exception as error:
        raise UsageError(f"the {kind} '{name}' of {_origin(points[name])} can't be imported: {error!r}") from error
    if violation := _contract_violation(kind, cls):
        raise UsageError(f"the {kind} '{name}' of {_origin(points[name])} does not fit the contract: {violation}")
    return cls


def _contract_violation(kind: Kind, cls: Any) -> str:
    """Why a class can't be registered, '' where it can."""
    base = BASES.get(kind, object)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        return f"it does not inherit {base.__module__}.{base.__qualname__}"
    missing = [
        *(name for name in REQUIRED_ATTRIBUTES[kind] if not hasattr(cls, name)),
        *sorted(getattr(cls, "__abstractmethods__", ())),
    ]
    if missing:
        return f"it lacks {', '.join(missing)}"
    if not is_dataclass(cls):
        return "it is not a dataclass"
    for capability in _capabilities(kind, cls):
        if capability not in CAN_ANSWER:
            return f"'{capability}' is not a capability; use one of {', '.join(CAN_ANSWER)}"
    return ""


def _capabilities(kind: Kind, cls: Any) -> tuple[Capability, ...]:
    """What a backbone answers or a decoder needs; none for datasets."""
    if kind == "data":
        return ()
    return _as_tuple(cls.capability if kind == "model" else cls.needs)


def _as_tuple(needs: Needs) -> tuple[Capability, ...]:
    return needs if isinstance(needs, tuple) else (needs,)


def make(kind: Kind, spec: str) -> tuple[str, Any]:
    """Turn `NAME:key=value,...` into (name, configured instance).

    Raises:
        UsageError: unknown name, option or value.
    """
    name, raw_options = options.parse(spec)
    return name, options.build(load(kind, name), name, raw_options)


def list_entries(kind: Kind, *, warn: bool = False) -> list[RegistryEntry]:
    """The entries of a kind, by name.

    Args:
        kind: which kind.
        warn: log each plugin that can't be loaded and is left out, with the reason.
    """
    entries = []
    for name in names(kind):
        try:
            entries.append(get_entry(kind, name))
        except UsageError as error:
            if warn:
                logger.warning(f"left out: {error}")
    return entries


def get_entry(kind: Kind, name: str) -> RegistryEntry:
    """The entry of one name.

    Raises:
        UsageError: see `load`.
    """
    cls = load(kind, name)
    summary = (inspect.getdoc(cls) or "").partition("\n")[0]
    is_ours = (kind, name) in _classes
    origin = f"{cls.__module__}:{cls.__qualname__} (this process)" if is_ours else _origin(_entry_points(kind)[name])
    return RegistryEntry(name, summary, ", ".join(_capabilities(kind, cls)), origin)


def served_capability(capability: Capability, needs: Needs) -> Capability | None:
    """What a backbone of this capability answers for a decoder with these needs; None where it can't."""
    return next((needed for needed in _as_tuple(needs) if needed in CAN_ANSWER[capability]), None)


def can_answer(capability: Capability, needs: Needs) -> bool:
    """Whether a backbone of this capability can answer a decoder with these needs."""
    return served_capability(capability, needs) is not None


def check_pair(model: str, capability: Capability, decoder: str, needs: Needs) -> Capability:
    """Refuse a model and a decoder that do not fit each other.

    Returns:
        What the model answers for the decoder.

    Raises:
        UsageError: names the reason, the decoders that fit the model and the models that fit the decoder.
    """
    served = served_capability(capability, needs)
    if served is not None:
        return served
    decoders = [e.name for e in list_entries("decoder") if can_answer(capability, e.needs)]
    models = [e.name for e in list_entries("model") if can_answer(e.capability, needs)]  # type: ignore[arg-type]
    raise UsageError(
        f"decoder '{decoder}' can't work with model '{model}': {WHY_NOT[capability, _as_tuple(needs)[0]]}; "
        f"'{model}' works with {', '.join(decoders)}; '{decoder}' works with {', '.join(models)}"
    )
