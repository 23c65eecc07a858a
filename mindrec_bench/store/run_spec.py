"""What a run is: everything that changes its result, and the ids that are hashes of it (docs/results-and-store.md)."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.code_space import Categories
from ..core.dataset import Split
from ..core.protocols import Constrain
from ..errors import UsageError
from ..io.hashing import short_hash, to_jsonable

CONTRACT_VERSION = 1
"""Raise it when equal specs would give another result; older runs and fitted models are then computed again."""

FIT = "fit"
"""The folder of fitted models, beside the folders of decoders; no decoder may have this name."""

EXTERNAL = "external"
"""The decoder's name in runs whose rankings were made elsewhere (`interchange.score`)."""


def folder_name(name: str) -> str:
    """A name as one safe part of a path; where two names give the same part, ids keep their runs apart."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".") or "-"


@dataclass(frozen=True)
class DataSpec:
    """The data of a run.

    Attributes:
        name: the dataset's name; a folder of the run store.
        label: how the user named it on the command line (`arts-sim:users=2000`, a path). No part of the id: the
            fingerprint identifies the data, so one folder named in two ways is the same data.
        fingerprint: hash of users, sequences and catalogue.
        users: the number of users.
    """

    name: str
    label: str
    fingerprint: str
    users: int


@dataclass(frozen=True)
class ModelSpec:
    """The backbone of a run.

    Attributes:
        name: of the backbone.
        options: all of them, defaults included.
        size: '' where it has none.
        answering: the names of inference-only options, which do not change how the model is fitted.
    """

    name: str
    options: dict[str, Any]
    size: str = ""
    answering: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "answering", tuple(self.answering))  # JSON has lists only

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types; without `answering` where it is empty."""
        values: dict[str, Any] = to_jsonable(dataclasses.asdict(self))
        return values if self.answering else {key: values[key] for key in ("name", "options", "size")}

    def fit_dict(self) -> dict[str, Any]:
        """What changes a fitted model, in JSON's types."""
        options = {name: value for name, value in self.options.items() if name not in self.answering}
        return ModelSpec(self.name, options, self.size).as_dict()


@dataclass(frozen=True)
class DecoderSpec:
    """The decoder of a run: its name and all its options (defaults included)."""

    name: str
    options: dict[str, Any]


@dataclass(frozen=True)
class RunSpec:
    """What a run is: model, decoder, data, and how they are used.

    Attributes:
        data: the dataset.
        model: the backbone.
        decoder: the decoder.
        categories: how category slots are used (docs/semantics.md, Slots).
        constrain: what may stand in a slot while decoding (docs/semantics.md, Decoding).
        beam: results per user.
        seed: for training, noise and everything else that is random.
        eval_users: only the first so many users are decoded; None for all.
        exclude_history: items of the history are not candidates (items models only).
        max_minutes: time limit of the training, or None.
        split: which held-out items are the targets: `test`, or `valid` for choosing between models.
        train_devices: how many processes train the model.
        contract: version of what equal specs compute.
        texts: hash of the items' texts where the backbone reads them, else None.

    Raises:
        UsageError: the decoder's name is reserved for fitted models.
    """

    data: DataSpec
    model: ModelSpec
    decoder: DecoderSpec
    categories: Categories = "none"
    constrain: Constrain = "slots"
    beam: int = 10
    seed: int = 42
    eval_users: int | None = None
    exclude_history: bool = False
    max_minutes: float | None = None
    split: Split = "test"
    train_devices: int = 1
    contract: int = CONTRACT_VERSION
    texts: str | None = None

    def __post_init__(self) -> None:
        if folder_name(self.decoder.name).lower() == FIT:
            raise UsageError(f"a decoder can't be named '{self.decoder.name}', the folder of fitted models; rename it")
        if self.max_minutes is not None:  # 60 and 60.0 are the same limit, and must have the same id
            object.__setattr__(self, "max_minutes", float(self.max_minutes))

    def as_dict(self) -> dict[str, Any]:
        """The whole spec in JSON's types; `RunSpec.from_dict` reads it."""
        values: dict[str, Any] = {**to_jsonable(dataclasses.asdict(self)), "model": self.model.as_dict()}
        if self.texts is None:  # as in runs that were stored before there were texts
            del values["texts"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunSpec:
        """Read what `as_dict` wrote.

        Raises:
            KeyError, TypeError: it is not such a dict.
        """
        parts = {"data": DataSpec(**values["data"]), "model": ModelSpec(**values["model"])}
        return cls(**{**values, **parts, "decoder": DecoderSpec(**values["decoder"])})

    @property
    def id(self) -> str:
        """Twelve hex digits that are equal exactly for equal runs."""
        values = self.as_dict()
        del values["data"]["label"]
        if self.split == "test":  # the only split that older runs had
            del values["split"]
        del values["train_devices"]
        return short_hash(values | self._parallel_training)

    @property
    def fit_spec(self) -> dict[str, Any]:
        """What changes a fitted model: all decoders share it, and so do `history`, `generate` and `given`."""
        return (
            {
                "contract": self.contract,
                "data": self.data.fingerprint,
                "model": self.model.fit_dict(),
                "categories": self.categories != "none",
                "seed": self.seed,
                "max_minutes": self.max_minutes,
            }
            | self._parallel_training
            | ({} if self.texts is None else {"texts": self.texts})
        )

    @property
    def fit_id(self) -> str:
        """Twelve hex digits that are equal exactly for runs that share a fitted model."""
        return short_hash(self.fit_spec)

    @property
    def _parallel_training(self) -> dict[str, int]:
        """The number of training processes; left out where it is 1, so that ids from before it existed stay."""
        return {"train_devices": self.train_devices} if self.train_devices > 1 else {}

    @property
    def model_path(self) -> Path:
        """`<data>/<model>`, relative to the run store: the folder of the model's runs and fits."""
        return Path(folder_name(self.data.name), folder_name(self.model.name))
