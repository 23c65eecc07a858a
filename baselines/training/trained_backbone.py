"""What the networks that are trained from scratch over codes share: options, sizes, fitting and loading.

A backbone adds its network and what it answers; training itself is in `training`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mindrec_bench.core.backbone import Backbone, FitReport, Task
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.protocols import Model

if TYPE_CHECKING:
    from .trainer import Collate, Recipe


@dataclass(frozen=True)
class SizeDefaults:
    """What an option that is None means at a size."""

    lr: float
    epochs: int
    batch: int
    dropout: float
    weight_decay: float


@dataclass(frozen=True)
class TrainedBackbone(Backbone):
    """Base of backbones trained from scratch; a subclass's docstring is the one that users see.

    Attributes:
        lr: peak learning rate; None here and below: the size's own.
        epochs: at most this many passes.
        batch: examples a step.
        patience: epochs without a better validation loss before the learning rate falls and training ends.
        dropout: share of the activations that training hides; where, the network says.
        weight_decay: of AdamW.
        shuffle: a new order each epoch; no: the order of users, as released.
    """

    lr: float | None = None
    epochs: int | None = None
    batch: int | None = None
    patience: int = 5
    dropout: float | None = None
    weight_decay: float | None = None
    shuffle: bool = True

    data_parallel: ClassVar[bool] = True
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small")
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        "tiny": SizeDefaults(lr=3e-3, epochs=15, batch=128, dropout=0.1, weight_decay=0.01),
        "small": SizeDefaults(lr=1.5e-3, epochs=30, batch=128, dropout=0.1, weight_decay=0.1),
    }
    eval_repeats: ClassVar[int] = 1
    cpu_bf16: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check("lr", self.lr, self.lr is None or self.lr > 0, "above 0")
        check("epochs", self.epochs, self.epochs is None or self.epochs >= 1, "1 or more")
        check("batch", self.batch, self.batch is None or self.batch >= 1, "1 or more")
        check("patience", self.patience, self.patience >= 1, "1 or more")
        check("dropout", self.dropout, self.dropout is None or 0 <= self.dropout < 1, "at least 0, below 1")
        check("weight_decay", self.weight_decay, self.weight_decay is None or self.weight_decay >= 0, "0 or more")

    def with_size_defaults(self, size: str) -> Self:
        """The options with the size's own where they are None."""
        names = ("lr", "epochs", "batch", "dropout", "weight_decay")
        return replace(
            self, **{name: getattr(self.size_defaults[size], name) for name in names if getattr(self, name) is None}
        )

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train from scratch; see `training.fit`.

        Raises:
            MrbenchError: the folder can't be written.
        """
        from . import trainer

        train, valid = (self._collate(task, stream) for stream in (0, 1))
        return trainer.fit(self._network(task), self._recipe(task.size), task, folder, train=train, valid=valid)

    def load(self, task: Task, folder: Path) -> Model:
        """The network with the best weights.

        Raises:
            DataError: there are none in `folder`, or they are damaged or belong to other slots or another size.
        """
        from . import weights

        network = self._network(task)
        weights.load(folder, task, network)
        return self._model(network.to(task.device).eval())

    def _recipe(self, size: str) -> Recipe:
        from .trainer import Recipe

        filled: Any = self.with_size_defaults(size)
        return Recipe(
            lr=filled.lr,
            epochs=filled.epochs,
            batch=filled.batch,
            patience=self.patience,
            weight_decay=filled.weight_decay,
            shuffle=self.shuffle,
            eval_repeats=self.eval_repeats,
            cpu_bf16=self.cpu_bf16,
        )

    def _network(self, task: Task) -> Any:
        """The network, its weights drawn from the task's seed."""
        import torch

        filled: Any = self.with_size_defaults(task.size)
        torch.manual_seed(task.seed)
        return self._build(task.space, task.size, filled.dropout)

    def _build(self, space: CodeSpace, size: str, dropout: float) -> Any:
        raise NotImplementedError

    def _model(self, network: Any) -> Model:
        """What answers for a fitted network: here the network itself."""
        return network

    def _collate(self, task: Task, stream: int) -> Collate:
        """Makes batches for training (stream 0) and validation (1): here histories and the target's codes."""
        import torch

        def collate(examples: Any, keys: Any) -> dict[str, torch.Tensor]:
            arrays = {"items": examples.histories.items, "labels": task.space.item_codes[examples.targets]}
            return {name: torch.from_numpy(array) for name, array in arrays.items()}

        return collate


def check(name: str, value: float | None, allowed: bool, words: str) -> None:
    """Refuse an option's value.

    Raises:
        ValueError: it is not allowed.
    """
    if not allowed:
        raise ValueError(f"{name} is {value}; it must be {words}")
