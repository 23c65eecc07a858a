"""Training of every network baseline: order, schedule, early stopping, checkpoints, resume.

A network is a `torch.nn.Module` whose `forward(**batch)` returns `{"loss": scalar}`, and a `Collator` makes its
batches, with an entry "labels". A training that is killed continues from its last checkpoint to the same weights. One
process trains a network from scratch with `TrainingLoop`; published networks, and several processes, train with
`transformers.Trainer`, which the loop equals bit for bit on a CPU.

Several processes (torch.distributed) train on the same examples in the same order and share each batch evenly; the last
batch of an epoch is filled up from the epoch's start. Dropout and the order of sums differ between processes, so a
different number of processes trains a different model.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PrinterCallback, Trainer, TrainingArguments

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.dataset import Examples
from mindrec_bench.errors import DataError, UsageError

from . import processes, weights
from .batches import Collator, EpochSampler, ExampleDataset
from .config import TrainingConfig
from .loop import RANDOM_FILE, TrainingLoop
from .progress import TrainingProgress

logger = logging.getLogger(__name__)

TRAINER_FILE = "trainer_state.json"
"""A file that a checkpoint of the Trainer has, and one of `TrainingLoop` has not."""


def _already_collated(batch: Any) -> Any:
    """The batch itself: `ExampleDataset` has collated it."""
    return batch


class _Trainer(Trainer):
    """A Trainer that visits the examples in the order of an `EpochSampler`, and keeps the loss of each step."""

    sampler: EpochSampler
    progress: TrainingProgress

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return self.sampler

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*args, **kwargs)
        self.progress.add_train_loss(loss)
        return loss


def fit(
    network: nn.Module,
    config: TrainingConfig,
    task: Task,
    folder: Path,
    *,
    train: Collator,
    valid: Collator,
    save_weights: weights.SaveWeights = weights.save_weights,
    examples: tuple[Examples, Examples] | None = None,
    fixed_shapes: bool = False,
) -> FitReport:
    """Train `network` and leave its best weights in `folder`; continue where an interrupted call stopped.

    Args:
        network: initialised from `task.seed` by the caller.
        config: how to train.
        task: data, seed, device, time limit.
        folder: gets the weights; checkpoints are in it until training is complete.
        train: makes training batches.
        valid: makes validation batches, with other noise.
        save_weights: writes the best weights to the folder.
        examples: for training and for validation; None for those of the data.
        fixed_shapes: on a GPU batches of as many examples have a few shapes (`captured.MOST_SHAPES`), and `forward`
            computes the loss without reading a value back: one process trains with `TrainingLoop`.

    Raises:
        DataError: there are no training examples.
        UsageError: the processes can't share a batch evenly.
        MrbenchError: the folder can't be written, or training diverged.
    """
    if report := weights.completed_report(folder):
        return report
    train_examples, valid_examples = examples or (task.data.train_examples(), task.data.validation())
    if not len(train_examples):
        raise DataError("no user has the 4 interactions that a training example needs; use data with longer histories")
    with weights.explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        train_set = ExampleDataset(train_examples, train)
        valid_set = ExampleDataset(valid_examples, valid, config.eval_repeats)
        use_loop = fixed_shapes and not processes.is_distributed()
        progress = _train(network, config, task, folder / weights.CHECKPOINTS, train_set, valid_set, use_loop=use_loop)
        parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
        report = progress.report(parameters, "bf16" if use_bf16(task.device, config.cpu_bf16) else "float32")
        processes.barrier()  # all have read the checkpoint they continued from
        if processes.rank() == 0:
            losses = progress.loss_curve()
            weights.save_model(folder, task, progress.best_weights, report, losses, save_weights)
            shutil.rmtree(folder / weights.CHECKPOINTS, ignore_errors=True)  # a short training has none
    return report


def _train(
    network: nn.Module,
    config: TrainingConfig,
    task: Task,
    checkpoints: Path,
    train_set: ExampleDataset,
    valid_set: ExampleDataset,
    *,
    use_loop: bool,
) -> TrainingProgress:
    arguments = training_arguments(config, task, checkpoints)
    network.to(arguments.device)
    steps_per_epoch = -(-len(train_set) // config.batch)
    max_steps = config.epochs * steps_per_epoch
    progress = TrainingProgress(
        checkpoints,
        max_steps=max_steps,
        steps_per_epoch=steps_per_epoch,
        patience=config.patience,
        decay=config.decay,
        minutes=task.max_minutes,
        quiet=task.quiet,
        tracker=task.tracker,
    )
    checkpoint = progress.resume(needs=RANDOM_FILE if use_loop else TRAINER_FILE)
    if checkpoint is not None:
        logger.info(f"training continues at step {progress.step} of {max_steps}")

    def factor(step: int) -> float:
        return lr_factor(step, progress.fraction_done(step), config.warmup, config.decay)

    captured = use_loop and arguments.device.type == "cuda"
    lr = torch.tensor(config.lr, device=arguments.device) if captured else config.lr
    groups = _parameter_groups(network, config.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=lr, fused=True, capturable=captured)
    sampler = EpochSampler(len(train_set), task.seed, config.shuffle)
    if use_loop:
        TrainingLoop(
            network=network,
            optimizer=optimizer,
            progress=progress,
            train_set=train_set,
            valid_set=valid_set,
            sampler=sampler,
            batch=config.batch,
            lr=lambda step: config.lr * factor(step),
            arguments=arguments,
        ).run(checkpoint)
        return progress
    trainer = _Trainer(
        network,
        arguments,
        data_collator=_already_collated,
        train_dataset=train_set,
        eval_dataset=valid_set,
        callbacks=[progress],
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)),
    )
    trainer.sampler, trainer.progress = sampler, progress
    if processes.rank() > 0:
        torch.manual_seed(task.seed + processes.rank())  # a different dropout mask in each process
    trainer.remove_callback(PrinterCallback)
    if checkpoint is not None:
        # The loader that skips finished batches also calls `set_epoch`, but not on this sampler with several processes.
        sampler.set_epoch(progress.step // steps_per_epoch)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    return progress


def training_arguments(config: TrainingConfig, task: Task, checkpoints: Path) -> TrainingArguments:
    """The arguments of `transformers.Trainer`.

    Raises:
        UsageError: the processes can't share a batch evenly.
    """
    per_process, remainder = divmod(config.batch, processes.world_size())
    if remainder or not per_process:
        raise UsageError(
            f"{processes.world_size()} processes can't share a batch of {config.batch} evenly; give --train-devices a "
            "divisor of it, or the model another batch"
        )
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=per_process,
        per_device_eval_batch_size=4 * per_process,
        max_grad_norm=1.0,
        seed=task.seed,
        use_cpu=task.device == "cpu",
        bf16=use_bf16(task.device, config.cpu_bf16),
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


def use_bf16(device: str, on_cpu: bool) -> bool:
    """Whether to train under autocast to bf16."""
    if device != "cpu":  # the older ones of Apple's GPUs only emulate bf16
        return device == "cuda" and torch.cuda.is_bf16_supported()
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return on_cpu and any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices with weight decay; norms and biases without.

    By shape and not by name, as transformers does it: the relative biases of a T5 are matrices, and decay.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def lr_factor(step: int, fraction_done: float, warmup: int, decay: float) -> float:
    """Factor on the learning rate: rising over `warmup` steps, constant, falling over the last `decay` of training."""
    return min(1.0, (step + 1) / warmup, (1 - fraction_done) / decay)
