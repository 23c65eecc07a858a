"""Training of every network baseline through `transformers.Trainer`: order, schedule, early stop, checkpoints, resume.

A network is a `torch.nn.Module` whose `forward(**batch)` returns `{"loss": scalar}`, and a `Collate` makes its batches,
with an entry "labels". Order and noise are pure functions of the seed, the epoch and the example, so a training
that is killed continues from its last checkpoint to the same weights.

Several processes (torch.distributed) train on the same examples in the same order and share each batch evenly; the last
one of an epoch is filled up from the epoch's start. Their dropout and the order of their sums are their own, so a model
that another number of processes trains is another model.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler
from transformers import PrinterCallback, Trainer, TrainingArguments

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Examples
from mindrec_bench.errors import DataError, UsageError

from . import processes, weights
from .progress import Progress

Batch = dict[str, Tensor]
Collate = Callable[[Examples, Int], Batch]
"""(examples, their keys for noise) -> the arguments of the network's `forward`."""


@dataclass(frozen=True)
class Recipe:
    """How to train; the same fields for every network.

    Attributes:
        lr: the peak learning rate of AdamW.
        epochs: passes over the training examples, unless stopped before.
        batch: examples a step.
        patience: epochs without a better validation loss before the decay begins.
        weight_decay: on matrices; not on norms.
        shuffle: a new order each epoch, or the order of users.
        warmup: steps of rising learning rate.
        decay: the last share of training, however it ends, in which the learning rate falls to 0; below 1.
        eval_repeats: how often a validation example is evaluated, each time with other (fixed) noise.
        cpu_bf16: autocast to bf16 on a CPU that computes in it; wide networks gain (`tiger` small: 1.4 times), narrow
            ones don't. On a GPU all networks train under it.
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


class ExampleDataset(Dataset):  # type: ignore[type-arg]
    """Examples by key = repeat * E + index; a whole batch is made at once."""

    def __init__(self, examples: Examples, collate: Collate, repeats: int = 1) -> None:
        self.examples, self.collate, self.repeats = examples, collate, repeats

    def __len__(self) -> int:
        return len(self.examples) * self.repeats

    def __getitems__(self, keys: list[int]) -> Batch:
        numbers = np.asarray(keys)
        rows = numbers % len(self.examples)
        examples = Examples(self.examples.histories[rows], self.examples.targets[rows])
        return self.collate(examples, numbers)


class EpochSampler(Sampler[int]):
    """Keys of one epoch: epoch * E + index, shuffled by (seed, epoch) alone."""

    def __init__(self, examples: int, seed: int, shuffle: bool) -> None:
        self.examples, self.seed, self.shuffle, self.epoch = examples, seed, shuffle, 0

    def __len__(self) -> int:
        return self.examples

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer's loader before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self.examples)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.examples)
        return iter((self.epoch * self.examples + order).tolist())


def _whole(batch: Any) -> Any:
    """`ExampleDataset` collates already."""
    return batch


class _Trainer(Trainer):
    """A Trainer that takes our order of examples."""

    order: EpochSampler

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return self.order


def fit(
    network: nn.Module,
    recipe: Recipe,
    task: Task,
    folder: Path,
    *,
    train: Collate,
    valid: Collate,
    store: weights.Store = weights.store,
    examples: tuple[Examples, Examples] | None = None,
) -> FitReport:
    """Train `network` and leave its best weights in `folder`; continue where an interrupted call stopped.

    Args:
        network: initialised from `task.seed` by the caller.
        recipe: how.
        task: data, seed, device, time limit.
        folder: gets the weights; checkpoints lie in it until training is complete.
        train: makes training batches.
        valid: makes validation batches, with noise of its own.
        store: leaves the best weights in the folder.
        examples: to train on and to validate on; None for the data's own.

    Raises:
        DataError: there is nothing to train on.
        UsageError: the processes can't share a batch evenly.
        MrbenchError: the folder can't be written, or training diverged.
    """
    if report := weights.finished(folder):
        return report
    shown, held_out = examples or (task.data.train_examples(), task.data.validation())
    if not len(shown):
        raise DataError("no user has the 4 interactions that a training example takes; use data with longer histories")
    with weights.explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        held = ExampleDataset(held_out, valid, recipe.eval_repeats)
        progress = _run(network, recipe, task, folder / "checkpoints", ExampleDataset(shown, train), held)
        parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
        report = progress.report(parameters, "bf16" if _bf16(task.device, recipe.cpu_bf16) else "float32")
        processes.meet()  # all have read the checkpoint they continued from
        if processes.rank() == 0:
            weights.save(folder, task, progress.best, report, store)
            shutil.rmtree(folder / "checkpoints")
    return report


def _run(
    network: nn.Module, recipe: Recipe, task: Task, checkpoints: Path, train: ExampleDataset, held: ExampleDataset
) -> Progress:
    arguments = _arguments(recipe, task, checkpoints)
    network.to(arguments.device)
    steps = recipe.epochs * -(-len(train) // recipe.batch)
    progress = Progress(
        checkpoints,
        steps=steps,
        patience=recipe.patience,
        decay=recipe.decay,
        minutes=task.max_minutes,
        quiet=task.quiet,
        notify=task.notify,
    )
    optimizer = torch.optim.AdamW(_groups(network, recipe.weight_decay), lr=recipe.lr, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, progress.share(step), recipe.warmup, recipe.decay)
    )
    trainer = _Trainer(
        network,
        arguments,
        data_collator=_whole,
        train_dataset=train,
        eval_dataset=held,
        callbacks=[progress],
        optimizers=(optimizer, schedule),
    )
    trainer.order = EpochSampler(len(train), task.seed, recipe.shuffle)
    if processes.rank() > 0:
        torch.manual_seed(task.seed + processes.rank())  # dropout of its own
    trainer.remove_callback(PrinterCallback)
    last = progress.resume()
    if last is not None:
        # The loader that skips what was done calls `set_epoch` too, but for several processes it does not reach ours.
        trainer.order.set_epoch(progress.step // (steps // recipe.epochs))
        task.notify(f"training continues at step {progress.step} of {steps}")
    if not progress.finished:
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    return progress


def _arguments(recipe: Recipe, task: Task, checkpoints: Path) -> TrainingArguments:
    share, rest = divmod(recipe.batch, processes.size())
    if rest or not share:
        raise UsageError(
            f"{processes.size()} processes can't share a batch of {recipe.batch} evenly; give --train-devices a "
            "divisor of it, or the model another batch"
        )
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=share,
        per_device_eval_batch_size=4 * share,
        max_grad_norm=1.0,
        seed=task.seed,
        use_cpu=task.device == "cpu",
        bf16=_bf16(task.device, recipe.cpu_bf16),
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        prediction_loss_only=True,
        label_names=["labels"],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        report_to="none",
    )
    if task.device == "cuda":
        arguments._n_gpu = 1  # else Trainer wraps the network in DataParallel where there are several
    return arguments


def _bf16(device: str, on_cpu: bool) -> bool:
    """Whether to train under autocast to bf16."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return on_cpu and any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def _rate(step: int, share: float, warmup: int, decay: float) -> float:
    """Factor on the learning rate: rising over `warmup` steps, constant, falling over the last `decay` of training."""
    return min(1.0, (step + 1) / warmup, (1 - share) / decay)
