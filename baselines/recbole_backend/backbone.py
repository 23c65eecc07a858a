"""The base class of `sasrec` and `recbole`: a RecBole model that RecBole trains, and which then scores all items.

p(item | history) is the softmax of the model's scores over the whole catalogue (docs/semantics.md, Decoding).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mindrec_bench.core.backbone import Backbone, FitReport, Task
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Capability
from mindrec_bench.errors import UsageError

from . import compat

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .data import RecBoleData

SIZE_SETTINGS: dict[str, dict[str, Any]] = {
    "tiny": {"embedding_size": 32, "hidden_size": 32, "inner_size": 64},
    "small": {},
}
"""RecBole's settings at each size; `small` has RecBole's defaults. A model ignores settings that it does not have."""


@dataclass(frozen=True)
class NetworkSpec:
    """Which of RecBole's models to train, and its settings.

    Attributes:
        model: its name in RecBole.
        settings: RecBole's settings that differ from RecBole's defaults.
        model_class: makes the model from RecBole's config and dataset; None: RecBole's class of that name.
    """

    model: str
    settings: dict[str, Any]
    model_class: Callable[[Any, Any], nn.Module] | None = None


class RecBoleBackbone(Backbone):
    """Base class of backbones that RecBole trains; a subclass declares the options below as fields."""

    lr: float
    epochs: int
    batch: int
    patience: int

    capability: ClassVar[Capability] = "items"
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small")

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr is {self.lr}; it must be above 0")
        for name in ("epochs", "batch", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")

    @classmethod
    def missing_requirements(cls) -> str:
        """Why no RecBole model can run on this machine; '' where they can."""
        try:
            compat.require_recbole()
        except UsageError as error:
            return str(error)
        return ""

    @abstractmethod
    def network_spec(self) -> NetworkSpec:
        """The model that the options describe."""

    def training_settings(self) -> dict[str, Any]:
        """RecBole's settings for training. Its `stopping_step` is one less than `patience`: the epochs it tolerates."""
        return {
            "learning_rate": self.lr,
            "epochs": self.epochs,
            "train_batch_size": self.batch,
            "stopping_step": self.patience - 1,
        }

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train with RecBole's trainer; see `resumable_trainer.fit`.

        Raises:
            UsageError: RecBole is not installed.
            MrbenchError: the folder can't be written, or the loss became NaN.
        """
        compat.require_recbole()
        from ..training import weights
        from . import resumable_trainer

        if report := weights.completed_report(folder):
            return report
        with compat.patched_environment():
            data, network = self.new_network(task)
            return resumable_trainer.fit(data, network, task, folder)

    def load(self, task: Task, folder: Path) -> RecBoleModel:
        """The model with the best weights.

        Raises:
            UsageError: RecBole is not installed.
            DataError: `folder` has no weights, or they are damaged or belong to other data or another size.
        """
        compat.require_recbole()
        from ..training import weights

        with compat.patched_environment():
            data, network = self.new_network(task)
        weights.load_weights(folder, task, network)
        return RecBoleModel(data, network.eval(), data.config["device"])

    def new_network(self, task: Task) -> tuple[RecBoleData, nn.Module]:
        """RecBole's data and an untrained network, inside `patched_environment()`; both depend on the task alone."""
        from recbole.utils import get_model, init_seed

        from .data import prepare_data

        spec = self.network_spec()
        data = prepare_data(spec.model, self.training_settings() | spec.settings | SIZE_SETTINGS[task.size], task)
        init_seed(task.seed, True)
        network = (spec.model_class or get_model(spec.model))(data.config, data.dataset)
        return data, network.to(data.config["device"])


@dataclass(frozen=True, eq=False)
class RecBoleModel:
    """A fitted model.

    Attributes:
        data: RecBole's ids of users and items.
        network: in evaluation mode.
        device: where RecBole has put the network; it knows no `mps`, and takes the CPU then.
    """

    data: RecBoleData
    network: Any
    device: Any

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> RecBoleContext:
        """The context of a batch of users; it does not depend on the slots."""
        return RecBoleContext(self, histories)

    def scores(self, histories: Histories) -> Tensor:
        """The model's scores, in the order of the catalogue. Shape: (B, N), float32"""
        import torch

        with compat.patched_environment(), torch.no_grad():
            batch = self.data.interaction(histories).to(self.device)
            # one row per user, one column per item of RecBole, the first for the padding
            scores = self.network.full_sort_predict(batch).view(len(histories), -1)
            return scores[:, torch.from_numpy(self.data.item_numbers).to(scores.device)]


@dataclass(frozen=True, eq=False)
class RecBoleContext:
    """The items context of one batch of users."""

    model: RecBoleModel
    histories: Histories

    def log_probs(self) -> Tensor:
        """Log-softmax of the scores over the catalogue. Shape: (B, N), float64"""
        return self.model.scores(self.histories).double().log_softmax(dim=-1)
