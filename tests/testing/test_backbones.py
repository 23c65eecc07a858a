"""`check_backbone`: every registered backbone passes it, and it finds each kind of broken one."""

from __future__ import annotations

import json
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
from mindrec_bench.testing import check_backbone

SHORT = {
    "idgenrec": "epochs=1,rounds=1,keyword_epochs=1",
    "llada": "epochs=2,batch=8",
    "llama3": "epochs=2,batch=64",
    "qwen2.5": "epochs=1,batch=256",
    "recbole": "epochs=1",
    "sasrec": "epochs=1",
    "tiger": "epochs=1,batch=256",
}
"""Options that make training short; that of `llada` says a line, and so is stopped there."""


@pytest.fixture(scope="module")
def small():
    """Few users and items, so that the fits of all backbones together take seconds."""
    return ArtsSim(users=12, items=50).load(None, users=None, notify=pytest.fail)


@pytest.mark.parametrize("name", registry.names("model"))
def test_a_registered_backbone_conforms(small, name):
    if name in ("recbole", "sasrec"):
        try:
            compat.require()
        except UsageError as error:
            pytest.skip(str(error))
    check_backbone(registry.make("model", f"{name}:{SHORT[name]}" if name in SHORT else name)[1], data=small)


class Parts(Backbone):
    """A right backbone, whose answers depend on the history, but for the parts that `fault` spoils."""

    sizes: ClassVar[Any] = ("tiny",)
    fault: str

    def with_size_defaults(self, size: str) -> Any:
        return replace(self, fault="sure") if self.fault == "at" else self  # type: ignore[type-var]

    def fit(self, task: Task, folder: Path) -> Any:
        path = folder / "weights.json"
        table = np.random.default_rng(task.seed).random((task.space.n_items, task.space.n_slots, 40))
        if self.fault == "seed":
            table[..., 0] += random.random()
        if self.fault in ("continued", "silent") and path.exists():
            table *= 2
        path.write_text(json.dumps(table.tolist()))
        if self.fault != "silent":
            task.notify("half of it is done")
            task.notify("all of it is done")
        return None if self.fault == "report" else FitReport(epochs=1.0, steps=1, parameters=table.size, seconds=0.0)

    def load(self, task: Task, folder: Path) -> Any:
        table = torch.tensor(json.loads((folder / "weights.json").read_text()), dtype=torch.float64)
        if self.fault == "load":
            table[..., 0] += random.random()
        return Fitted(table, task.space.sizes, self.fault, self.capability)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Masked(Parts):
    """A masked model.

    Attributes:
        fault: what is wrong with it.
    """

    capability: ClassVar[Any] = "denoiser"
    fault: str = "none"


@dataclass(frozen=True)
class Causal(Parts):
    """A causal model.

    Attributes:
        fault: what is wrong with it.
    """

    capability: ClassVar[Any] = "causal"
    fault: str = "none"


@dataclass(frozen=True)
class Items(Parts):
    """A model of items.

    Attributes:
        fault: what is wrong with it.
    """

    capability: ClassVar[Any] = "items"
    fault: str = "none"


@dataclass(frozen=True, eq=False)
class Fitted:
    table: Tensor
    sizes: tuple[int, ...]
    fault: str
    capability: str

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> Any:
        last = histories.items[:, -1].copy()
        if self.fault == "histories":
            histories.items[:] = 0
        seen = (histories.items >= 0).any(axis=0).sum()
        return Context(self, last, int(seen), tuple(self.sizes[slot] for slot in slots), list(slots))


@dataclass(eq=False)
class Context:
    """Answers from the row of the last item."""

    model: Fitted
    last: Any
    seen: int
    sizes: tuple[int, ...]
    slots: list[int]
    asked: int = 0

    def log_probs(self, revealed: Tensor | None = None, slots: Sequence[int] = ()) -> Tensor:
        if revealed is None:
            items = self.model.table[torch.from_numpy(self.last), 0].sum(dim=1, keepdim=True)
            scores = (items * torch.arange(self.model.table.shape[0])).cos().log_softmax(dim=-1)
            return self.spoilt(scores[:, None])[:, 0]
        rows = self.model.table[self.last][:, self.slots][:, None].expand(-1, revealed.shape[1], -1, -1)
        width = max(self.sizes)
        beyond = torch.arange(width) >= torch.tensor(self.sizes)[:, None]
        answer = rows[..., :width].masked_fill(beyond, -torch.inf).log_softmax(dim=-1)
        answer = answer + (revealed.clamp(max=0).sum(dim=2) - 20.0)[..., None, None] * 1e-3
        if self.model.fault == "in place":
            revealed[:] = 0
        if self.model.fault == "slots":
            answer = answer - len(slots)
        return self.spoilt(answer[:, :, list(slots)])

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        slot = prefix.shape[2]
        if self.model.fault == "in place":
            prefix[:] = 0
        revealed = torch.nn.functional.pad(prefix, (0, len(self.sizes) - slot), value=-1)
        return self.log_probs(revealed, (slot,))[:, :, 0]

    def spoilt(self, right: Tensor) -> Tensor:
        self.asked += 1
        match self.model.fault:
            case "shape":
                return right[..., :-1]
            case "type":
                return right.float() if self.model.capability == "items" else right.half()
            case "nan":
                return right.where(right > right.amin(), torch.nan)
            case "beyond":
                return right.clamp(min=-50)
            case "sum":
                return right + 1
            case "impossible":
                return torch.full_like(right, -torch.inf)
            case "state":
                return right - self.asked
            case "beams":
                return right - right.shape[1]
            case "batch":
                return right - 0.01 * len(right)
            case "order":
                return right - 0.01 * torch.arange(len(right)).view(-1, *[1] * (right.ndim - 1))
            case "padding":
                return right - 0.01 * self.seen
        return right


FAULTS = [
    ("at", r"with_size_defaults\('tiny'\) changes fault='at', which was given, to 'sure'"),
    ("report", "`fit` returns a NoneType, and no FitReport"),
    ("load", "a second `load` of one folder answers otherwise"),
    ("seed", "two fits with one seed answer differently on the CPU"),
    ("continued", "a `fit` that is stopped and called again answers differently"),
    ("silent", "a `fit` that is called again when it is done answers differently"),
    ("histories", "changed the histories"),
    ("shape", r"asked with nothing revealed: the answer has shape \(5, 3, \d, \d+\) and not \(5, 3, \d, \d+\)"),
    ("type", r"the answer is torch.float16, not torch.float32 or torch.float64"),
    ("nan", "the answer has NaN in it"),
    ("beyond", r"slot \d has \d+ codes, and others are not -inf"),
    ("sum", r"the probabilities of slot 0's codes sum to more than 1"),
    ("impossible", "no code of a slot is possible"),
    ("in place", "the tensor of codes that it was asked with was changed"),
    ("state", "asked with nothing revealed for a second time answers otherwise"),
    ("beams", "what a beam is answered depends on the other beams"),
    ("slots", r"slot \d asked for alone is answered otherwise"),
    ("batch", r"a user with \d+ history items, alone, is answered otherwise"),
    ("order", "a batch in another order is answered otherwise"),
    ("padding", r"a user with \d history items, alone, is answered otherwise"),
]


@pytest.mark.parametrize("cls", [Masked, Causal, Items])
def test_a_right_one_passes(small, cls):
    check_backbone(cls(), data=small)


@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_each_fault_of_a_masked_model_is_found(small, fault, message):
    with pytest.raises(AssertionError, match=f"^Masked.*{message}"):
        check_backbone(Masked(fault), data=small)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (Causal("shape"), r"asked with 0 codes done: the answer has shape"),
        (Causal("in place"), r"asked with 1 codes done: the tensor of codes .* was changed"),
        (Causal("batch"), "alone, is answered otherwise"),
        (Causal("impossible"), "asked with 0 codes done: no code of a slot is possible"),
        (Items("type"), "the answer is torch.float32, not torch.float64"),
        (Items("sum"), "the probabilities of all items do not sum to 1"),
        (Items("batch"), "do not sum to 1"),
    ],
)
def test_faults_of_others_are_found(small, backbone, message):
    with pytest.raises(AssertionError, match=message):
        check_backbone(backbone, data=small)


@dataclass(frozen=True)
class Own(Causal):
    """A causal model that names items by two digits to the base of 7, two empty places after them.

    Attributes:
        fault: what is wrong with it.
    """

    model_codes: ClassVar[str] = "a digit"

    def load(self, task: Task, folder: Path) -> Any:
        fitted = super().load(task, folder)
        number = np.arange(task.space.n_items) // (2 if self.fault == "twins" else 1)
        codes = np.stack([number // 7, number % 7, 0 * number, 0 * number], axis=1)[self.fault == "fewer" :]
        categories = codes[:, :1] if self.fault == "categories" else None
        space = CodeSpace.build(codes[:, self.fault == "categories" :], categories)
        given = fitted.table, space.sizes, self.fault, "causal"
        return Fitted(*given) if self.fault == "nothing" else OwnFitted(*given, code_space=space)


@dataclass(frozen=True, eq=False)
class OwnFitted(Fitted):
    code_space: CodeSpace


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("nothing", "its model has no CodeSpace `code_space`"),
        ("twins", "two items have the same codes in own_space"),
        ("fewer", "own_space has 49 items, and the data 50"),
        ("categories", "own_space has category slots"),
        ("shape", r"asked with 0 codes done: the answer has shape"),
    ],
)
def test_codes_of_its_own_are_checked(small, fault, message):
    check_backbone(Own(), data=small)
    with pytest.raises(AssertionError, match=message):
        check_backbone(Own(fault), data=small)


def test_without_categories(small):
    bare = replace(small, categories=None)
    check_backbone(Masked(), data=bare)
    with pytest.raises(AssertionError, match="NaN"):
        check_backbone(Masked("nan"), data=bare)


class NoSizes(Masked):
    """A list is no tuple."""

    sizes: ClassVar[Any] = ["tiny"]


class Auto(Masked):
    """A size that the command line keeps for itself."""

    sizes: ClassVar[Any] = ("auto",)


class Magic(Masked):
    """Answers what nobody asks."""

    capability: ClassVar[Any] = "magic"


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (NoSizes, r"sizes is \['tiny'\], and not a tuple of names"),
        (Auto, r"sizes is \('auto',\), and not a tuple of names other than '' and 'auto'"),
        (Magic, "capability is 'magic', and not one of items, denoiser, causal"),
    ],
)
def test_the_class_is_checked(cls, message):
    with pytest.raises(AssertionError, match=f"{cls.__name__}: {message}"):
        check_backbone(cls())
