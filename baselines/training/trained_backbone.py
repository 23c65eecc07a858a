"""The options that all backbones trained here share, and their defaults at each size; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from mindrec_bench.core.backbone import Backbone
from mindrec_bench.plugins.options import option

from .config import TrainingConfig


@dataclass(frozen=True)
class SizeDefaults:
    """The values of options that are None, at one size."""

    lr: float
    epochs: int
    batch: int
    dropout: float
    weight_decay: float


@dataclass(frozen=True)
class TrainedBackbone(Backbone):
    """Base class of backbones that are trained with `training.trainer`; it declares their options."""

    lr: float | None = option(None, help="peak learning rate; None, here and below, takes the default of the size.")
    epochs: int | None = option(None, help="at most this many passes over the training examples.")
    batch: int | None = option(None, help="examples per step.")
    patience: int = option(
        5, help="epochs without a better validation loss before the learning rate falls and training ends."
    )
    dropout: float | None = option(None, help="fraction of activations that are set to zero in training.")
    weight_decay: float | None = option(None, help="weight decay of AdamW.")
    shuffle: bool = option(True, help="use a new order of examples in each epoch; no: the order of users, as released.")

    data_parallel: ClassVar[bool] = True
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small")
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        "tiny": SizeDefaults(lr=3e-3, epochs=15, batch=128, dropout=0.1, weight_decay=0.01),
        "small": SizeDefaults(lr=1.5e-3, epochs=30, batch=128, dropout=0.1, weight_decay=0.1),
    }
    eval_repeats: ClassVar[int] = 1
    """See `TrainingConfig`."""
    cpu_bf16: ClassVar[bool] = False
    """See `TrainingConfig`."""

    def __post_init__(self) -> None:
        check_option("lr", self.lr, self.lr is None or self.lr > 0, "above 0")
        check_option("epochs", self.epochs, self.epochs is None or self.epochs >= 1, "1 or more")
        check_option("batch", self.batch, self.batch is None or self.batch >= 1, "1 or more")
        check_option("patience", self.patience, self.patience >= 1, "1 or more")
        dropout, decay = self.dropout, self.weight_decay
        check_option("dropout", dropout, dropout is None or 0 <= dropout < 1, "at least 0, below 1")
        check_option("weight_decay", decay, decay is None or decay >= 0, "0 or more")

    def with_size_defaults(self, size: str) -> Self:
        """The same options, with those that are None replaced by the defaults of the size."""
        defaults = vars(self.size_defaults[size])
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})

    def training_config(self, size: str) -> TrainingConfig:
        """How a network of this size is trained."""
        options: Any = self.with_size_defaults(size)
        return TrainingConfig(
            lr=options.lr,
            epochs=options.epochs,
            batch=options.batch,
            patience=self.patience,
            weight_decay=options.weight_decay,
            shuffle=self.shuffle,
            eval_repeats=self.eval_repeats,
            cpu_bf16=self.cpu_bf16,
        )


def check_option(name: str, value: float | None, allowed: bool, requirement: str) -> None:
    """Refuse an option's value unless it is allowed.

    Raises:
        ValueError: it is not allowed; the message says what it must be.
    """
    if not allowed:
        raise ValueError(f"{name} is {value}; it must be {requirement}")
