"""What a run is: everything that changes its result, and the ids made of that (architecture: the run store)."""

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
"""Raise it when the same question would get another answer; older runs and fitted models are then computed anew."""


FIT = "fit"
"""The folder name of fitted models, beside the decoders' folders; no decoder may be called so."""


EXTERNAL = "external"
"""Stands in the place of the decoder where rankings were made elsewhere (`external`)."""


def folder_name(name: str) -> str:
    """A name as one safe path part; two names may share a part, since ids keep their runs apart."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".") or "-"


@dataclass(frozen=True)
class DataSpec:
    """The data of a run.

    Attributes:
        name: the data set's name; a folder of the run store.
        label: how the user named it on the command line (`arts-sim:users=2000`, a path). Shown only: the fingerprint
            says what the data is, so the same folder named in two ways is the same question.
        fingerprint: hash of users, sequences and catalogue.
        users: how many users the data has.
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
        answering: options that change what a fitted model answers, and not how it is fitted.
    """

    name: str
    options: dict[str, Any]
    size: str = ""
    answering: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "answering", tuple(self.answering))  # JSON has lists only

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types; `answering` where there is any."""
        values: dict[str, Any] = to_jsonable(dataclasses.asdict(self))
        return values if self.answering else {key: values[key] for key in ("name", "options", "size")}

    @property
    def fitted(self) -> dict[str, Any]:
        """The part that changes a fitted model."""
        kept = {name: value for name, value in self.options.items() if name not in self.answering}
        return ModelSpec(self.name, kept, self.size).as_dict()


@dataclass(frozen=True)
class DecoderSpec:
    """The decoder of a run: its name and all its options (defaults included)."""

    name: str
    options: dict[str, Any]


@dataclass(frozen=True)
class RunSpec:
    """One question: which model, which decoder, on which data, how.

    Attributes:
        data: the data set.
        model: the backbone.
        decoder: the decoder.
        categories: how category slots are used (semantics section 2).
        constrain: what may stand in a slot while decoding (semantics section 4).
        beam: results a user.
        seed: for training, noise and everything else random.
        eval_users: only the first so many users are decoded; None for all.
        exclude_history: items of the history are no candidates (items models only).
        max_minutes: time limit of the training, or None.
        split: which held-out items are the targets: `test`, or `valid` for choosing between models.
        train_devices: how many processes train the model.
        contract: version of what the same spec computes.
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
        if self.max_minutes is not None:  # 60 and 60.0 are one limit, and must be one id
            object.__setattr__(self, "max_minutes", float(self.max_minutes))

    def as_dict(self) -> dict[str, Any]:
        """The whole spec in JSON's types; `RunSpec.from_dict` turns it back."""
        values: dict[str, Any] = {**to_jsonable(dataclasses.asdict(self)), "model": self.model.as_dict()}
        if self.texts is None:  # runs that read no text keep the ids they had before there were texts
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
        """Twelve hex digits that are equal exactly for equal questions."""
        values = self.as_dict()
        del values["data"]["label"]
        if self.split == "test":  # what every run was before there was a choice
            del values["split"]
        del values["train_devices"]
        return short_hash(values | self._several)

    @property
    def _several(self) -> dict[str, int]:
        """The number of training processes; nothing for one, so that what one trained keeps the id it always had."""
        return {"train_devices": self.train_devices} if self.train_devices > 1 else {}

    @property
    def _read(self) -> dict[str, str]:
        """The texts; nothing where none are read, for the same reason."""
        return {} if self.texts is None else {"texts": self.texts}

    @property
    def fit_spec(self) -> dict[str, Any]:
        """The part that changes a fitted model: all decoders share it, and so do `history`, `generate` and `given`."""
        return (
            {
                "contract": self.contract,
                "data": self.data.fingerprint,
                "model": self.model.fitted,
                "categories": self.categories != "none",
                "seed": self.seed,
                "max_minutes": self.max_minutes,
            }
            | self._several
            | self._read
        )

    @property
    def fit_id(self) -> str:
        """Twelve hex digits that are equal exactly for runs that share a fitted model."""
        return short_hash(self.fit_spec)

    def folder(self, root: Path) -> Path:
        """Where the run lives: `<root>/<data>/<model>/<decoder>/<id>`."""
        return self._model_folder(root) / folder_name(self.decoder.name) / self.id

    def fit_folder(self, root: Path) -> Path:
        """Where its fitted model lives: `<root>/<data>/<model>/fit/<fit id>`."""
        return self._model_folder(root) / FIT / self.fit_id

    def _model_folder(self, root: Path) -> Path:
        return root / folder_name(self.data.name) / folder_name(self.model.name)
