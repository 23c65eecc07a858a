"""How a network is trained; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of one training; the same fields for every network.

    Attributes:
        lr: the peak learning rate of AdamW.
        epochs: passes over the training examples, unless training stops earlier.
        batch: examples per step.
        patience: epochs without a better validation loss before the decay begins.
        weight_decay: on matrices; norms and biases have none.
        shuffle: a new order of examples in each epoch; else the order of users.
        warmup: steps of rising learning rate.
        decay: the last fraction of training, however it ends, in which the learning rate falls to 0; below 1.
        eval_repeats: how often a validation example is evaluated, each time with different (fixed) noise.
        cpu_bf16: autocast to bf16 on a CPU that computes in it. Wide networks gain (`tiger` small: 1.4 times), narrow
            ones do not. On CUDA all networks train under autocast to bf16.
    """

    lr: float
    epochs: int
    batch: int
    patience: int
    weight_decay: float = 0.01
    shuffle: bool = True
    warmup: int = 50
    decay: float = 0.1
    eval_repeats: int = 1
    cpu_bf16: bool = False
