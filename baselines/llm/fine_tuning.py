"""LoRA fine-tuning of published weights on prompts: the trainer of the published sizes.

This module imports torch inside methods only: it is imported with the registered classes, and runs are identified by
`file_fingerprints` without torch.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Histories

from ..checkpoints.files import CONFIG_FILE, Checkpoint, fingerprint, open_checkpoint, tokenizer_folder
from ..checkpoints.formats import translate_config
from ..training.config import TrainingConfig
from ..training.size_trainer import SizeTrainer
from .prompt_encoder import PromptEncoder, open_prompt_encoder
from .prompt_preview import preview_prompts
from .templates import PLAIN, read_templates

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from ..training.batches import Collator
    from .text_network import TextNetwork


@dataclass(frozen=True, eq=False)
class LoraFineTuning(SizeTrainer):
    """Fine-tunes a checkpoint with LoRA; what is stored is the adapter, in the format of peft.

    Attributes:
        checkpoint: a folder or a hub id.
        families: the model types of checkpoints that are accepted.
        masked: the network is a masked model (`TextDenoiser`); else a causal one (`TextCausal`).
        template: a file of prompt templates; None: the built-in ones; `PLAIN`: those without a chat template.
        attend_pads: attend to the padding and use the released padding token; else mask the padding.
        attention: what the prompt of a masked network attends to: the target too, or itself only (`prefix`).
        refresh: with full attention, prompts are computed at every so many steps of a search only; 0: at each step.
        train_tokens: train all rows of the input embedding and the output head, or only those of the new codes.
        gradient_checkpointing: compute activations twice instead of storing them.
        load_in_8bit: keep the published weights in 8 bits.
        dropout: on the inputs of the low-rank updates.
        config: how to train.
        collator: makes batches of the objective over codes, for training (stream 0) and validation (stream 1).
    """

    checkpoint: str
    families: tuple[str, ...]
    masked: bool
    template: str | None
    attend_pads: bool
    attention: Literal["full", "prefix"]
    refresh: int
    train_tokens: Literal["all", "new"]
    gradient_checkpointing: bool
    load_in_8bit: bool
    dropout: float
    config: TrainingConfig
    collator: Callable[[Task, int], Collator]

    def file_fingerprints(self) -> dict[str, str]:
        """The content of the checkpoint and of the prompt templates.

        Raises:
            DataError: a file is missing, or the hub can't be reached.
        """
        templates = "\0".join(read_templates(self.template))
        return {
            "checkpoint": fingerprint(self.checkpoint),
            "prompts": f"sha256:{hashlib.sha256(templates.encode()).hexdigest()[:16]}",
        }

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Fine-tune, and leave the trained tensors in `folder`.

        Raises:
            DataError: there is no such checkpoint, or it is damaged or of another family.
            UsageError: the processes can't share a batch evenly, or bitsandbytes is needed and not installed.
            MrbenchError: the folder can't be written, or training diverged.
        """
        import torch

        from ..training import trainer, weights
        from .lora import add_lora
        from .prompt_collator import prompt_collator

        if report := weights.completed_report(folder):
            return report
        checkpoint = open_checkpoint(self.checkpoint)
        encoder = self.prompt_encoder(task, checkpoint.folder, checkpoint.config)
        base = self._load_base(task, checkpoint, encoder)
        torch.manual_seed(task.seed)
        lora = add_lora(base, encoder.code_token_ids.tolist(), self.train_tokens, self.dropout)
        network = self._text_network(lora, encoder)
        if self.gradient_checkpointing:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="`gradient_checkpointing_enable` is deprecated")  # not in 5.0
                base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        train, valid = (prompt_collator(self.collator(task, stream), task.seed, encoder, stream) for stream in (0, 1))
        return trainer.fit(
            network, self.config, task, folder, train=train, valid=valid, save_weights=network.save_weights
        )

    def load(self, task: Task, folder: Path) -> TextNetwork:
        """The published network with the trained tensors in `folder`, ready for inference.

        Raises:
            DataError: `folder` holds no trained tensors, they are damaged or of another network, or the checkpoint
                can't be read.
        """
        from ..checkpoints.weights import indexed_device
        from ..training import weights
        from .lora import load_lora

        weights.check_model(folder, task)
        checkpoint = open_checkpoint(self.checkpoint)
        encoder = self.prompt_encoder(task, checkpoint.folder, checkpoint.config)
        lora = load_lora(self._load_base(task, checkpoint, encoder), folder, indexed_device(task.device))
        return self._text_network(lora, encoder).to(task.device).prepare_inference()

    def show_prompts(
        self, task: Task, histories: Histories, start: Int, slots: tuple[int, ...]
    ) -> list[dict[str, Any]]:
        """Each user's prompt and target; see `preview_prompts`.

        Raises:
            DataError: there is no such checkpoint, or it lacks a tokenizer.
        """
        folder = tokenizer_folder(self.checkpoint)
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        return preview_prompts(self.prompt_encoder(task, folder, config), histories, start, slots)

    def prompt_encoder(self, task: Task, folder: Path, config: dict[str, Any]) -> PromptEncoder:
        """The tokenizer of a checkpoint with the codes of the task.

        Args:
            task: its code space.
            folder: the checkpoint's.
            config: its `config.json`.

        Raises:
            DataError: the checkpoint is of another family; see also `open_prompt_encoder`, `read_templates`.
        """
        translate_config(config, self.checkpoint, self.families)  # refuses another family before anything is loaded
        return open_prompt_encoder(
            folder,
            config,
            task.space,
            read_templates(self.template),
            masked=self.masked,
            released_pad=self.attend_pads,
            plain=self.template == PLAIN,
        )

    def _load_base(self, task: Task, checkpoint: Checkpoint, encoder: PromptEncoder) -> PreTrainedModel:
        """The published network, with rows for the codes."""
        from ..checkpoints.weights import add_token_rows, load_network

        base = load_network(checkpoint, self.families, task.device, in_8bit=self.load_in_8bit)
        add_token_rows(base, list(encoder.new_token_ids), task.seed)
        return base

    def _text_network(self, lora: PeftModel, encoder: PromptEncoder) -> TextNetwork:
        from .text_causal import TextCausal
        from .text_denoiser import TextDenoiser

        if self.masked:
            return TextDenoiser(
                lora, encoder, attend_pads=self.attend_pads, attention=self.attention, refresh=self.refresh
            )
        return TextCausal(lora, encoder, attend_pads=self.attend_pads)
