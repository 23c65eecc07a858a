"""Finds backbones, decoders and data sets by entry point, and says which pairs fit, and why not.

Built-ins and other people's packages register in the same way (pyproject.toml):

    [project.entry-points."mindrec_bench.decoders"]
    my-decoder = "my_package:MyDecoder"
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from ..core.backbone import Backbone, DataSource
from ..core.protocols import Capability
from ..errors import UsageError, did_you_mean
from . import options

Kind = Literal["model", "decoder", "data"]

GROUPS: dict[Kind, str] = {
    "model": "mindrec_bench.backbones",
    "decoder": "mindrec_bench.decoders",
    "data": "mindrec_bench.datasets",
}

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


@dataclass(frozen=True)
class RegistryEntry:
    """One line of `mrbench list`: a registered name, what it is, and where it comes from."""

    name: str
    summary: str
    capability: str
    origin: str


@cache
def _points(kind: Kind) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUPS[kind]):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(
                f"two packages register the {kind} '{point.name}': {_origin(other)} and {_origin(point)}; uninstall one"
            )
    return dict(sorted(found.items()))


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist else "unknown package"
    return f"{point.value} ({package})"


def names(kind: Kind) -> list[str]:
    """All registered names of a kind, sorted."""
    return list(_points(kind))


def load(kind: Kind, name: str) -> Any:
    """Import and return the class registered under `name`.

    Raises:
        UsageError: no such name, or its package can't be imported or does not fit the contract.
    """
    points = _points(kind)
    if name not in points:
        raise UsageError(
            f"unknown {kind} '{name}'{did_you_mean(name, points)}; known: {', '.join(points)} (see `mrbench list`)"
        )
    try:
        cls = points[name].load()
    except Exception as error:
        raise UsageError(f"the {kind} '{name}' of {_origin(points[name])} can't be imported: {error!r}") from error
    if fault := _fault(kind, cls):
        raise UsageError(f"the {kind} '{name}' of {_origin(points[name])} does not fit the contract: it {fault}")
    if kind != "data" and (capability := _capability(cls)) not in CAN_ANSWER:
        raise UsageError(
            f"the {kind} '{name}' of {_origin(points[name])} does not fit the contract: '{capability}' is no "
            f"capability; there are {', '.join(CAN_ANSWER)}"
        )
    return cls


def _capability(cls: Any) -> Any:
    """What a backbone answers or a decoder needs; '' for data sets."""
    return getattr(cls, "capability", getattr(cls, "needs", ""))


BASES: dict[Kind, type] = {"model": Backbone, "data": DataSource}
"""What registered classes inherit from; decoders have no optional hooks, and no base."""

_PARTS: dict[Kind, tuple[str, ...]] = {"model": ("capability",), "decoder": ("needs", "decode"), "data": ()}


def _fault(kind: Kind, cls: Any) -> str:
    """Why a class can't be registered, '' where it can."""
    base = BASES.get(kind, object)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        return f"does not inherit {base.__module__}.{base.__qualname__}"
    missing = [
        *(part for part in _PARTS[kind] if not hasattr(cls, part)),
        *sorted(getattr(cls, "__abstractmethods__", ())),
    ]
    if missing:
        return f"lacks {', '.join(missing)}"
    return "" if is_dataclass(cls) else "is not a dataclass"


def make(kind: Kind, spec: str) -> tuple[str, Any]:
    """Turn `NAME:key=value,...` into (name, configured instance).

    Raises:
        UsageError: unknown name, option or value.
    """
    name, raw = options.parse(spec)
    return name, options.build(load(kind, name), name, raw)


def listed(kind: Kind, notify: Callable[[str], None] = lambda line: None) -> list[RegistryEntry]:
    """What is registered, a line each; a plugin that can't be loaded is left out, and `notify` gets the reason."""
    rows = []
    for name, point in _points(kind).items():
        try:
            cls = load(kind, name)
        except UsageError as error:
            notify(f"left out: {error}")
            continue
        rows.append(_line(point, cls))
    return rows


def entry_of(kind: Kind, name: str) -> RegistryEntry:
    """The line of one name.

    Raises:
        UsageError: see `load`.
    """
    cls = load(kind, name)
    return _line(_points(kind)[name], cls)


def _line(point: EntryPoint, cls: Any) -> RegistryEntry:
    summary = (inspect.getdoc(cls) or "").partition("\n")[0]
    return RegistryEntry(point.name, summary, _capability(cls), _origin(point))


def fits(capability: Capability, needs: Capability) -> bool:
    """Whether a backbone of this capability can answer a decoder with these needs."""
    return needs in CAN_ANSWER[capability]


def check_pair(model: str, capability: Capability, decoder: str, needs: Capability) -> None:
    """Refuse an impossible pair.

    Raises:
        UsageError: names the reason, the decoders that fit the model and the models that fit the decoder.
    """
    if fits(capability, needs):
        return
    decoders = [row.name for row in listed("decoder") if fits(capability, row.capability)]  # type: ignore[arg-type]
    models = [row.name for row in listed("model") if fits(row.capability, needs)]  # type: ignore[arg-type]
    raise UsageError(
        f"decoder '{decoder}' can't work with model '{model}': {WHY_NOT[capability, needs]}; "
        f"'{model}' works with {', '.join(decoders)}; '{decoder}' works with {', '.join(models)}"
    )
