"""What `sasrec` and `recbole` share: a RecBole model trained by RecBole, answering as an items model.

p(item | history) = softmax of the model's scores over the whole catalogue (semantics: lifting).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mindrec_bench.core.backbone import Backbone, FitReport, Task
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Capability
from mindrec_bench.errors import UsageError

from . import compat

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .data import Prepared

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"embedding_size": 32, "hidden_size": 32, "inner_size": 64},
    "small": {},
}
"""RecBole's parameters at each size; `small` is RecBole's own choice. A model ignores those that it does not have."""


@dataclass(frozen=True)
class Recipe:
    """How to train; the same fields for every model of RecBole.

    Attributes:
        lr: learning rate of Adam.
        epochs: at most this many passes.
        batch: examples a step.
        patience: epochs without a better validation NDCG@10 before training stops.
    """

    lr: float
    epochs: int
    batch: int
    patience: int

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr is {self.lr}; it must be above 0")
        for name in ("epochs", "batch", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")

    @property
    def settings(self) -> dict[str, Any]:
        """RecBole's parameters. Its `stopping_step` counts the epochs that are let pass, one fewer than `patience`."""
        return {
            "learning_rate": self.lr,
            "epochs": self.epochs,
            "train_batch_size": self.batch,
            "stopping_step": self.patience - 1,
        }


@dataclass(frozen=True)
class Plan:
    """Which of RecBole's models to train, and how.

    Attributes:
        model: its name in RecBole.
        settings: RecBole's parameters that differ from RecBole's defaults.
        network: makes the model from (config, dataset); None: RecBole's own class.
    """

    model: str
    settings: dict[str, Any]
    network: Callable[[Any, Any], nn.Module] | None = None


class RecBoleFamily(Backbone):
    """Base of backbones that RecBole trains."""

    capability: ClassVar[Capability] = "items"
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small")

    @classmethod
    def missing_requirements(cls) -> str:
        """Why no RecBole model can run on this machine; '' where they can."""
        try:
            compat.require()
        except UsageError as error:
            return str(error)
        return ""

    def plan(self, task: Task) -> Plan:
        """The model and its parameters for a task."""
        raise NotImplementedError

    def with_size_defaults(self, size: str) -> Self:
        """The same: no option depends on the size."""
        return self

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train with RecBole's trainer; see `recbole_training`.

        Raises:
            UsageError: RecBole is not installed.
            MrbenchError: the folder can't be written.
        """
        compat.require()
        from ..training import weights
        from . import training

        if report := weights.finished(folder):
            return report
        with compat.patched_environment():
            prepared, network = self._make(task)
            return training.fit(prepared, network, task, folder)

    def load(self, task: Task, folder: Path) -> RecBoleModel:
        """The model with the best weights.

        Raises:
            UsageError: RecBole is not installed.
            DataError: there are no weights in `folder`, or they are damaged or belong to other data or another size.
        """
        compat.require()
        from ..training import weights

        with compat.patched_environment():
            prepared, network = self._make(task)
        weights.load(folder, task, network)
        return RecBoleModel(prepared, network.eval(), task.device)

    def _make(self, task: Task) -> tuple[Prepared, nn.Module]:
        """Data and a model with its first weights; both depend on the task alone."""
        from recbole.utils import get_model, init_seed

        from .data import prepare

        plan = self.plan(task)
        prepared = prepare(plan.model, plan.settings | SIZES[task.size], task)
        init_seed(task.seed, True)
        network = (plan.network or get_model(plan.model))(prepared.config, prepared.dataset)
        return prepared, network.to(prepared.config["device"])


@dataclass(frozen=True, eq=False)
class RecBoleModel:
    """A fitted model, ready to answer.

    Attributes:
        prepared: RecBole's numbers of users and items.
        network: in evaluation mode.
        device: where it is.
    """

    prepared: Prepared
    network: Any
    device: str

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> RecBoleContext:
        """The answers for a batch of users, the same for any slots."""
        return RecBoleContext(self, histories)

    def scores(self, histories: Histories) -> Tensor:
        """The model's own scores, in the order of the catalogue. Shape: (B, N), float32"""
        import torch

        with compat.patched_environment(), torch.no_grad():
            batch = self.prepared.interaction(histories).to(self.device)
            # one row a user, a column for each of RecBole's items, the padding first
            rows = self.network.full_sort_predict(batch).view(len(histories), -1)
            return rows[:, torch.from_numpy(self.prepared.items).to(rows.device)]


@dataclass(frozen=True, eq=False)
class RecBoleContext:
    """One batch of users before a `RecBoleModel`."""

    model: RecBoleModel
    histories: Histories

    def log_probs(self) -> Tensor:
        """log softmax of the scores over the catalogue. Shape: (B, N), float64"""
        return self.model.scores(self.histories).double().log_softmax(dim=-1)
