"""Fine-tuning of published LLMs: checkpoint, tokenizer, LoRA and prompts put together; training is `training`'s."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mindrec_bench.core.backbone import FitReport, Task

from ..checkpoints.files import Checkpoint, open_checkpoint
from ..checkpoints.formats import translate_config
from ..checkpoints.weights import grow, load_network, place_of
from ..common.noise import uniform
from ..training import trainer, weights
from .lora import add_lora, load_lora
from .prompt_encoder import PromptEncoder, open_prompt_encoder
from .templates import read_templates
from .text_causal import TextCausal
from .text_denoiser import TextDenoiser
from .text_network import TextNetwork

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from .pretrained import PretrainedBackbone

Objective = Callable[[int], trainer.Collate]

WORDING = 2
"""The noise stream that chooses paraphrases; 0 and 1 mask the targets of training and validation."""


def fit(
    backbone: PretrainedBackbone, task: Task, folder: Path, *, recipe: trainer.Recipe, objective: Objective
) -> FitReport:
    """Fine-tune and leave the trained tensors in `folder`, in peft's format.

    Args:
        backbone: all options filled in.
        task: data, slots, size, seed, device.
        folder: see `training.fit`.
        recipe: how to train.
        objective: makes the backbone's batches over codes, for training (0) and validation (1).

    Raises:
        DataError, UsageError, MrbenchError: see `PretrainedBackbone.fit`.
    """
    if report := weights.finished(folder):
        return report
    checkpoint = open_checkpoint(str(backbone.checkpoint), task.notify)
    chat = read_prompt_encoder(backbone, task, checkpoint.folder, checkpoint.config)
    base = _base(backbone, task, checkpoint, chat)
    torch.manual_seed(task.seed)
    lora = add_lora(base, chat.codes.tolist(), backbone.train_tokens, backbone.dropout or 0.0)
    network = _network(backbone, lora, chat)
    if backbone.gradient_checkpointing:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`gradient_checkpointing_enable` is deprecated")  # not in 5.0
            base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    train, valid = (_collate(objective(stream), task.seed, chat, stream) for stream in (0, 1))
    return trainer.fit(network, recipe, task, folder, train=train, valid=valid, store=network.store)


def load(backbone: PretrainedBackbone, task: Task, folder: Path) -> TextNetwork:
    """The published network with the trained tensors of `folder`, ready for answers.

    Raises:
        DataError: see `PretrainedBackbone.load`.
    """
    weights.check(folder, task)
    checkpoint = open_checkpoint(str(backbone.checkpoint), task.notify)
    chat = read_prompt_encoder(backbone, task, checkpoint.folder, checkpoint.config)
    lora = load_lora(_base(backbone, task, checkpoint, chat), folder, place_of(task.device))
    return _network(backbone, lora, chat).to(task.device).for_answers()


def read_prompt_encoder(
    backbone: PretrainedBackbone, task: Task, folder: Path, config: dict[str, Any]
) -> PromptEncoder:
    """The tokenizer of a checkpoint with the codes of the task, and the prompts in it.

    Raises:
        DataError: the checkpoint is of another family; see also `open_prompt_encoder`, `read_templates`.
    """
    translate_config(config, str(backbone.checkpoint), backbone.families)
    return open_prompt_encoder(
        folder,
        config,
        task.space,
        read_templates(backbone.template),
        masked=backbone.capability == "denoiser",
        released_pad=backbone.pad == "attend",
    )


def _base(backbone: PretrainedBackbone, task: Task, checkpoint: Checkpoint, chat: PromptEncoder) -> PreTrainedModel:
    base = load_network(checkpoint, backbone.families, task.device, in_8bit=backbone.load_in_8bit)
    grow(base, list(chat.new), task.seed)
    return base


def _network(backbone: PretrainedBackbone, lora: Any, chat: PromptEncoder) -> TextNetwork:
    kind = TextDenoiser if backbone.capability == "denoiser" else TextCausal
    return kind(lora, chat, attend_pads=backbone.pad == "attend")


def _collate(over_codes: trainer.Collate, seed: int, chat: PromptEncoder, stream: int) -> trainer.Collate:
    """Batches of the backbone's own objective, the histories written as prompts."""

    def collate(examples: Any, keys: Any) -> dict[str, torch.Tensor]:
        which = np.zeros(len(examples), dtype=np.int64)
        if stream == 0:
            which = (uniform(seed, WORDING, keys, 1)[:, 0] * len(chat.templates)).astype(np.int64)
        prompt, seen = chat.prompts(examples.histories, which)
        batch = over_codes(examples, keys)
        del batch["items"]
        return {"prompt": torch.from_numpy(prompt), "seen": torch.from_numpy(seen), **batch}

    return collate
