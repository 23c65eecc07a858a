"""What a run is: everything that changes its result, and the ids that are hashes of it (docs/results-and-store.md).

Identity has one rule: an id is the hash of the contract's version and of every field that differs from its default. So
a field that is added later changes no id, and a default that changes raises the version.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from annotated_types import Ge, Gt, Le

from ..core.backbone import Backbone
from ..core.choices import HISTORY, LEAVE_ONE_OUT, Categories, Constrain, Split
from ..core.protocols import Decoder
from ..errors import UsageError
from ..io.hashing import short_hash, to_jsonable
from ..io.schema import Setting, read_strictly
from ..plugins import options

CONTRACT_VERSION = 2
"""Raise it when equal specs would give another result; older runs and fitted models are then computed again."""

FIT = "fit"
"""The folder of fitted models, beside the folders of decoders; no decoder may have this name."""

EXTERNAL = "external"
"""The decoder's name in runs whose rankings were made elsewhere (`interchange.score`)."""

RANKINGS_FILE = "rankings"
"""The role, in `ModelSpec.files`, of the file with these rankings."""

MAX_SEED = 2**32 - 1
"""The largest seed that NumPy's legacy generator accepts; transformers seeds that one too."""

MAX_HISTORY = 10_000
"""Histories are padded to the same length, so each user takes this much memory."""

Seed = Annotated[int, Ge(0), Le(MAX_SEED)]
"""What everything random is drawn from."""


def folder_name(name: str) -> str:
    """A name as one safe part of a path; where two names give the same part, ids keep their runs apart."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".") or "-"


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The settings that `ExperimentConfig` and `RunSpec` have in common."""

    constrain: Annotated[
        Constrain,
        Setting("A slot may have any of its codes, or only those that keep a catalogue item reachable."),
    ] = "slots"
    beam: Annotated[int, Ge(1), Le(1000), Setting("Results per user, at most 1,000.")] = 10
    eval_users: Annotated[int | None, Ge(1), Setting("Decode only the first N users, for a quick look.")] = None
    seed: Annotated[Seed, Setting("Random seed, of training and of all else that is random.")] = 42
    exclude_history: Annotated[bool, Setting("Never recommend items of the history that the model sees.")] = False
    search_error: Annotated[
        str | None,
        Setting(
            "Measure what the decoder misses of the ranking by this one of the same fitted model, such as "
            "rank-items:shortlist=all; of models that score items it is always measured."
        ),
    ] = None
    max_minutes: Annotated[
        float | None,
        Gt(0),
        Setting("Time limit of the training; how far it gets then depends on the machine."),
    ] = None
    split: Annotated[
        Split,
        Setting("Which held-out items are the targets; use valid to choose between models. Tables show test only."),
    ] = "test"
    holdout: Annotated[
        str,
        Setting(
            "What is held out: leave-one-out (each user's last items), or all from a time on, for data with times: "
            "time:0.9 (after this share of the interactions) or a date."
        ),
    ] = LEAVE_ONE_OUT
    history: Annotated[
        int, Ge(1), Le(MAX_HISTORY), Setting("How many of a user's latest items are seen, at most 10,000.")
    ] = HISTORY


@dataclass(frozen=True)
class DataSpec:
    """The data of a run.

    Attributes:
        name: the dataset's name; a folder of the run store.
        fingerprint: hash of users, sequences and catalogue, and of a split by time.
        users: the number of users that have a target.
    """

    name: str
    fingerprint: str
    users: int


@dataclass(frozen=True)
class ModelSpec:
    """The backbone of a run. Options are those that differ from the defaults (of the size).

    Attributes:
        name: of the backbone.
        options: those that change how the model is fitted.
        size: '' where it has none.
        inference: those that change only how a fitted model answers.
        files: the fingerprints of the files that the options name, by their role.
        code: the hash of its code (`registry.code_hash`); '' where it is built in.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    size: str = ""
    inference: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    code: str = ""

    @classmethod
    def of(cls, name: str, backbone: Backbone, size: str) -> ModelSpec:
        """The spec of a backbone of some size, without its files."""
        defaults = options.with_defaults(backbone)
        if size:
            backbone, defaults = backbone.with_size_defaults(size), defaults.with_size_defaults(size)
        values: dict[str, Any] = to_jsonable(options.changed(backbone, defaults))
        inference = {key: values.pop(key) for key in tuple(values) if options.is_inference_only(backbone, key)}
        return cls(name, values, size, inference)


@dataclass(frozen=True)
class DecoderSpec:
    """The decoder of a run: its name, the options that differ from their defaults, and `code` as in `ModelSpec`."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    code: str = ""

    @classmethod
    def of(cls, name: str, decoder: Decoder) -> DecoderSpec:
        """The spec of a decoder."""
        return cls(name, to_jsonable(options.changed(decoder, options.with_defaults(decoder))))


class _Identified:
    """A spec, with the hash that identifies it."""

    contract: int

    def as_dict(self) -> dict[str, Any]:
        """The whole spec in JSON's types; `from_dict` reads it."""
        values: dict[str, Any] = to_jsonable(asdict(self))  # type: ignore[call-overload]  # subclasses are dataclasses
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what `as_dict` wrote.

        Raises:
            ValueError: it is not such a dict.
        """
        return read_strictly(cls, values)

    @property
    def id(self) -> str:
        """Twelve hex digits that are equal exactly for equal specs."""
        return short_hash({"contract": self.contract} | differing(self))


def differing(spec: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults, parts included; those without a default always."""
    values = {}
    for entry in fields(spec):
        value = getattr(spec, entry.name)
        default = entry.default if entry.default_factory is MISSING else entry.default_factory()
        if value != default:
            values[entry.name] = differing(value) if is_dataclass(value) else value
    return values


@dataclass(frozen=True, kw_only=True)
class FitSpec(_Identified):
    """What a fitted model is; all decoders share it, and so do the categories `history`, `generate` and `given`.

    Attributes:
        data: fingerprint of the dataset.
        model: the backbone, without the options of inference.
        categories: whether there are category slots.
        seed, max_minutes, train_devices, holdout, history, texts, contract: as in `RunSpec`.
    """

    data: str
    model: ModelSpec
    categories: bool = False
    seed: int = RunSettings.seed
    max_minutes: float | None = RunSettings.max_minutes
    train_devices: int = 1
    holdout: str = RunSettings.holdout
    history: int = RunSettings.history
    texts: str | None = None
    contract: int = CONTRACT_VERSION


@dataclass(frozen=True, kw_only=True)
class RunSpec(RunSettings, _Identified):
    """What a run is: model, decoder, data, and how they are used.

    Attributes:
        data: the dataset.
        model: the backbone.
        decoder: the decoder.
        categories: how category slots are used (docs/semantics.md, Slots).
        eval_users: None where all users are decoded.
        max_minutes: None where nothing is trained.
        train_devices: how many processes train the model.
        texts: hash of the items' texts where the backbone reads them, else None.
        contract: version of what equal specs compute.

    Raises:
        UsageError: the decoder's name is reserved for fitted models.
    """

    data: DataSpec
    model: ModelSpec
    decoder: DecoderSpec
    categories: Categories = "none"
    train_devices: int = 1
    texts: str | None = None
    contract: int = CONTRACT_VERSION

    def __post_init__(self) -> None:
        if folder_name(self.decoder.name).lower() == FIT:
            raise UsageError(f"a decoder can't be named '{self.decoder.name}', the folder of fitted models; rename it")
        if self.max_minutes is not None:  # 60 and 60.0 are the same limit, and must have the same id
            object.__setattr__(self, "max_minutes", float(self.max_minutes))

    @property
    def evaluated_users(self) -> int:
        """How many users are decoded."""
        return self.eval_users or self.data.users

    @property
    def fit(self) -> FitSpec:
        """The fitted model that the run decodes with."""
        taken_over = {field.name: getattr(self, field.name) for field in fields(FitSpec)}
        of_its_own = {
            "data": self.data.fingerprint,
            "model": replace(self.model, inference={}),
            "categories": self.categories != "none",
        }
        return FitSpec(**{**taken_over, **of_its_own})

    @property
    def model_path(self) -> Path:
        """`<data>/<model>`, relative to the run store: the folder of the model's runs and fits."""
        return Path(folder_name(self.data.name), folder_name(self.model.name))
