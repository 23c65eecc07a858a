"""`check_backbone` reports every violation of the backbone contract, and every registered backbone passes it."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from mindrec_baselines.recbole_backend import compat
from mindrec_bench.core.backbone import Backbone, FitReport, Task
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import registry
from mindrec_bench.plugins.options import option
from mindrec_bench.testing import check_backbone

SHORT_TRAINING = {
    "esasrec": "epochs=1,batch=16",
    "idgenrec": "epochs=1,rounds=1,keyword_epochs=1",
    "llada": "epochs=2,batch=8",
    "llama3": "epochs=2,batch=64",
    "qwen2.5": "epochs=1,batch=256",
    "recbole": "epochs=1",
    "rpg": "epochs=1,batch=16",
    "sasrec": "epochs=1",
    "tiger": "epochs=1,batch=256",
}
"""Options that make training short; `llada` prints a line of progress, and so is interrupted there."""


@pytest.fixture(scope="module")
def small():
    """Few users and items, so that the fits of all backbones together take seconds."""
    return ArtsSim(users=12, items=50).load(None, users=None)


@pytest.mark.usefixtures("small_networks")
@pytest.mark.parametrize("name", registry.names("model"))
def test_a_registered_backbone_conforms(small, name):
    if name in ("recbole", "sasrec"):
        try:
            compat.require_recbole()
        except UsageError as error:
            pytest.skip(str(error))
    spec = f"{name}:{SHORT_TRAINING[name]}" if name in SHORT_TRAINING else name
    check_backbone(registry.make("model", spec)[1], data=small)


class TableBackbone(Backbone):
    """A correct backbone with random tables, except for the rule that `fault` breaks."""

    sizes: ClassVar[Any] = ("tiny",)
    fault: str

    def with_size_defaults(self, size: str) -> Any:
        return replace(self, fault="other") if self.fault == "size defaults" else self  # type: ignore[type-var]

    def fit(self, task: Task, folder: Path) -> Any:
        path = folder / "weights.json"
        table = np.random.default_rng(task.seed).random((task.space.n_items, task.space.n_slots, 40))
        if self.fault == "seed":
            table[..., 0] += random.random()
        if self.fault in ("continued", "silent") and path.exists():
            table *= 2
        path.write_text(json.dumps(table.tolist()))
        if self.fault != "silent":
            logging.getLogger(__name__).info("half of the training is done")
            logging.getLogger(__name__).info("all of the training is done")
        return None if self.fault == "report" else FitReport(epochs=1.0, steps=1, parameters=table.size, seconds=0.0)

    def load(self, task: Task, folder: Path) -> Any:
        table = torch.tensor(json.loads((folder / "weights.json").read_text()), dtype=torch.float64)
        if self.fault == "load":
            table[..., 0] += random.random()
        return TableModel(table, task.space.sizes, self.fault, self.capability)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class TableDenoiser(TableBackbone):
    """A denoiser."""

    capability: ClassVar[Any] = "denoiser"
    fault: str = option("none", help="the rule that it breaks.")


@dataclass(frozen=True)
class TableCausal(TableBackbone):
    """A causal model."""

    capability: ClassVar[Any] = "causal"
    fault: str = option("none", help="the rule that it breaks.")


@dataclass(frozen=True)
class TableItems(TableBackbone):
    """A model that scores items."""

    capability: ClassVar[Any] = "items"
    fault: str = option("none", help="the rule that it breaks.")


@dataclass(frozen=True, eq=False)
class TableModel:
    """Reads its scores from the row of the last item."""

    table: Tensor
    sizes: tuple[int, ...]
    fault: str
    capability: str

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> Any:
        last = histories.items[:, -1].copy()
        if self.fault == "histories":
            histories.items[:] = 0
        length = (histories.items >= 0).any(axis=0).sum()
        return Context(self, last, int(length), tuple(self.sizes[slot] for slot in slots), list(slots))


@dataclass(eq=False)
class Context:
    """The context of `TableModel`; counts its queries."""

    model: TableModel
    last: Any
    length: int
    sizes: tuple[int, ...]
    slots: list[int]
    n_queries: int = 0

    def log_probs(self, revealed: Tensor | None = None, slots: Sequence[int] = ()) -> Tensor:
        if revealed is None:
            items = self.model.table[torch.from_numpy(self.last), 0].sum(dim=1, keepdim=True)
            scores = (items * torch.arange(self.model.table.shape[0])).cos().log_softmax(dim=-1)
            return self.corrupt(scores[:, None])[:, 0]
        rows = self.model.table[self.last][:, self.slots][:, None].expand(-1, revealed.shape[1], -1, -1)
        width = max(self.sizes)
        beyond = torch.arange(width) >= torch.tensor(self.sizes)[:, None]
        log_probs = rows[..., :width].masked_fill(beyond, -torch.inf).log_softmax(dim=-1)
        log_probs = log_probs + (revealed.clamp(max=0).sum(dim=2) - 20.0)[..., None, None] * 1e-3
        if self.model.fault == "in place":
            revealed[:] = 0
        if self.model.fault == "slots":
            log_probs = log_probs - len(slots)
        return self.corrupt(log_probs[:, :, list(slots)])

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        slot = prefix.shape[2]
        if self.model.fault == "in place":
            prefix[:] = 0
        revealed = torch.nn.functional.pad(prefix, (0, len(self.sizes) - slot), value=-1)
        return self.log_probs(revealed, (slot,))[:, :, 0]

    def corrupt(self, log_probs: Tensor) -> Tensor:
        self.n_queries += 1
        match self.model.fault:
            case "shape":
                return log_probs[..., :-1]
            case "dtype":
                return log_probs.float() if self.model.capability == "items" else log_probs.half()
            case "nan":
                return log_probs.where(log_probs > log_probs.amin(), torch.nan)
            case "beyond":
                return log_probs.clamp(min=-50)
            case "sum":
                return log_probs + 1
            case "impossible":
                return torch.full_like(log_probs, -torch.inf)
            case "state":
                return log_probs - self.n_queries
            case "beams":
                return log_probs - log_probs.shape[1]
            case "batch":
                return log_probs - 0.01 * len(log_probs)
            case "order":
                return log_probs - 0.01 * torch.arange(len(log_probs)).view(-1, *[1] * (log_probs.ndim - 1))
            case "padding":
                return log_probs - 0.01 * self.length
        return log_probs


FAULTS = [
    ("size defaults", r"with_size_defaults\('tiny'\) changes the explicitly set fault='size defaults' to 'other'"),
    ("report", "`fit` returns a NoneType, expected a FitReport"),
    ("load", "a second `load` of the same folder gives different results"),
    ("seed", "two fits with one seed give different results on the CPU"),
    ("continued", "a `fit` that is interrupted and called again gives different results"),
    ("silent", "a `fit` that is called again after it has finished gives different results"),
    ("histories", "`begin` or a query changed the histories"),
    ("shape", r"'nothing revealed': the log-probabilities have shape \(5, 3, \d, \d+\), expected \(5, 3, \d, \d+\)"),
    ("dtype", r"the log-probabilities are torch.float16, expected torch.float32 or torch.float64"),
    ("nan", "the log-probabilities contain NaN"),
    ("beyond", r"slot \d has \d+ codes, but others are not -inf"),
    ("sum", r"the probabilities of slot 0's codes sum to more than 1"),
    ("impossible", "a slot has no possible code"),
    ("in place", "the context changed the tensor of codes it was given"),
    ("state", "the query 'nothing revealed' gives different results the second time"),
    ("beams", "results of a beam depend on the other beams"),
    ("slots", r"results of slot \d depend on the other slots of the query"),
    ("batch", r"results depend on the batch \(a user with \d+ history items alone\)"),
    ("order", r"results depend on the batch \(the users in another order\)"),
    ("padding", r"results depend on the batch \(a user with \d history items alone\)"),
]


@pytest.mark.parametrize("cls", [TableDenoiser, TableCausal, TableItems])
def test_a_correct_backbone_passes(small, cls):
    check_backbone(cls(), data=small)


@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_each_violation_of_a_denoiser_is_reported(small, fault, message):
    with pytest.raises(AssertionError, match=f"^TableDenoiser.*{message}"):
        check_backbone(TableDenoiser(fault), data=small)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (TableCausal("shape"), "query 'a prefix of 0 codes': the log-probabilities have shape"),
        (TableCausal("in place"), "query 'a prefix of 1 codes': the context changed the tensor of codes"),
        (TableCausal("batch"), r"results depend on the batch \(a user with \d+ history items alone\)"),
        (TableCausal("impossible"), "query 'a prefix of 0 codes': a slot has no possible code"),
        (TableItems("dtype"), "the log-probabilities are torch.float32, expected torch.float64"),
        (TableItems("sum"), "the probabilities of all items do not sum to 1"),
        (TableItems("batch"), "do not sum to 1"),
    ],
)
def test_violations_of_other_capabilities_are_reported(small, backbone, message):
    with pytest.raises(AssertionError, match=message):
        check_backbone(backbone, data=small)


@dataclass(frozen=True)
class OwnCodes(TableCausal):
    """A causal model that identifies items by two digits in base 7, followed by two constant codes."""

    model_codes: ClassVar[str] = "a digit"

    def load(self, task: Task, folder: Path) -> Any:
        model = super().load(task, folder)
        number = np.arange(task.space.n_items) // (2 if self.fault == "equal codes" else 1)
        codes = np.stack([number // 7, number % 7, 0 * number, 0 * number], axis=1)[self.fault == "missing item" :]
        categories = codes[:, :1] if self.fault == "categories" else None
        space = CodeSpace.build(codes[:, self.fault == "categories" :], categories)
        fields = model.table, space.sizes, self.fault, "causal"
        return TableModel(*fields) if self.fault == "no code_space" else OwnCodesModel(*fields, code_space=space)


@dataclass(frozen=True, eq=False)
class OwnCodesModel(TableModel):
    code_space: CodeSpace


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no code_space", "its model has no CodeSpace `code_space`"),
        ("equal codes", "two items have the same codes in `code_space`"),
        ("missing item", "`code_space` has 49 items, but the data has 50"),
        ("categories", "`code_space` has category slots"),
        ("shape", "query 'a prefix of 0 codes': the log-probabilities have shape"),
    ],
)
def test_the_codes_of_a_model_are_checked(small, fault, message):
    check_backbone(OwnCodes(), data=small)
    with pytest.raises(AssertionError, match=message):
        check_backbone(OwnCodes(fault), data=small)


def test_without_categories(small):
    data = replace(small, categories=None)
    check_backbone(TableDenoiser(), data=data)
    with pytest.raises(AssertionError, match="NaN"):
        check_backbone(TableDenoiser("nan"), data=data)


class ListOfSizes(TableDenoiser):
    """Its sizes are a list, not a tuple."""

    sizes: ClassVar[Any] = ["tiny"]


class AutoSize(TableDenoiser):
    """Has a size whose name the command line reserves."""

    sizes: ClassVar[Any] = ("auto",)


class UnknownCapability(TableDenoiser):
    """Has a capability that does not exist."""

    capability: ClassVar[Any] = "unknown"


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (ListOfSizes, r"sizes is \['tiny'\], expected a tuple of names"),
        (AutoSize, r"sizes is \('auto',\), expected a tuple of names other than '' and 'auto'"),
        (UnknownCapability, "capability is 'unknown', expected one of items, denoiser, causal"),
    ],
)
def test_the_class_is_checked(cls, message):
    with pytest.raises(AssertionError, match=f"{cls.__name__}: {message}"):
        check_backbone(cls())
