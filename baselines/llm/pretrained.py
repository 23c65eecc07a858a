"""Backbones that have published sizes too: their options, and the choice of a trainer for each size.

At the sizes of `hub`, and at `checkpoint`, a backbone reads prompts and is fine-tuned with LoRA; at all other sizes it
is trained from scratch on codes. This module imports no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from mindrec_bench.errors import UsageError
from mindrec_bench.plugins.options import option

from ..training.code_backbone import CodeBackbone
from ..training.size_trainer import SizeTrainer
from ..training.trained_backbone import SizeDefaults
from .fine_tuning import LoraFineTuning

CHECKPOINT = "checkpoint"
"""The size that starts from weights which the user names."""


def lora_defaults(lr: float) -> SizeDefaults:
    """The options of published sizes (docs/semantics.md, Training); the dropout is LoRA's."""
    return SizeDefaults(lr=lr, epochs=3, batch=8, dropout=0.05, weight_decay=0.01)


@dataclass(frozen=True)
class PretrainedBackbone(CodeBackbone):
    """Base class of backbones that have published sizes too."""

    dropout: float | None = option(None, help="on the inputs and the last hidden states; at LLM sizes, of LoRA.")
    checkpoint: str | None = option(
        None,
        help="a folder or a hub id (ORG/NAME, ORG/NAME@REVISION) of published weights; here and below: LLM sizes.",
    )
    template: str | None = option(
        None,
        help="a text file of prompts, each with {history}, separated by lines ---; the first is used at test. plain: "
        "the built-in ones as plain text, for base models without a chat template.",
    )
    pad: Literal["mask", "attend"] = option(
        "mask", help="mask the padding on the left of a prompt, or attend to it, as released."
    )
    train_tokens: Literal["all", "new"] = option(
        "all", help="train the whole input embedding and output head, or only the rows of the codes."
    )
    gradient_checkpointing: bool = option(
        False, help="compute activations twice and store few of them: less memory, more time."
    )
    load_in_8bit: bool = option(False, help="keep the published weights in 8 bits (needs bitsandbytes and a GPU).")

    hub: ClassVar[Mapping[str, str]]
    """Size -> the hub id of its weights."""

    families: ClassVar[tuple[str, ...]]
    """The model types of checkpoints that are accepted."""

    def with_size_defaults(self, size: str) -> Self:
        """The same options, with those that are None replaced by the defaults of the size, hub id included."""
        return replace(super().with_size_defaults(size), checkpoint=self.checkpoint or self.hub.get(size))

    def auto_size(self, *, simulation: bool, device: str) -> tuple[str, str]:
        """The size that `--size auto` chooses, and why: a published one only if its weights are here and fit."""
        if self.checkpoint is not None:
            return CHECKPOINT, "--checkpoint is given"
        if simulation:
            return "tiny", "the smallest, for a simulation"
        size, hub_id = next(iter(self.hub.items()))
        if device != "cuda":
            return "small", f"the largest that is not a published LLM; {size} needs a GPU"
        from ..checkpoints import memory

        obstacle = memory.auto_size_obstacle(hub_id)
        return ("small", obstacle) if obstacle else (size, f"the weights of {hub_id} are here and fit")

    def training_bytes(self, size: str) -> int | None:
        """See `Backbone.training_bytes`: an estimate for published weights that are on this machine."""
        if size != CHECKPOINT and size not in self.hub:
            return None
        from ..checkpoints import files, memory

        checkpoint = self.checkpoint or self.hub[size]
        if files.find_checkpoint(checkpoint) is None:
            return None
        return memory.training_bytes(files.open_checkpoint(checkpoint).shapes)

    def trainer(self, size: str) -> SizeTrainer:
        """LoRA fine-tuning at the published sizes, training from scratch at the others.

        Raises:
            UsageError: options and size contradict each other.
        """
        self.check_size(size)
        if size != CHECKPOINT and size not in self.hub:
            return super().trainer(size)
        options: Any = self.with_size_defaults(size)
        return LoraFineTuning(
            checkpoint=options.checkpoint,
            families=self.families,
            masked=self.capability == "denoiser",
            template=self.template,
            attend_pads=self.pad == "attend",
            attention=options.attention if self.capability == "denoiser" else "full",
            refresh=options.refresh if self.capability == "denoiser" else 0,
            train_tokens=self.train_tokens,
            gradient_checkpointing=self.gradient_checkpointing,
            load_in_8bit=self.load_in_8bit,
            dropout=options.dropout,
            config=self.training_config(size),
            collator=self.collator,
        )

    def check_size(self, size: str) -> None:
        """Check the options that do not go with every size.

        Raises:
            UsageError: options and size contradict each other.
        """
        if size in self.hub:
            if self.checkpoint not in (None, self.hub[size]):
                raise UsageError(
                    f"size '{size}' is {self.hub[size]}; for other weights give --checkpoint without --size"
                )
        elif size == CHECKPOINT:
            if self.checkpoint is None:
                raise UsageError(f"size '{CHECKPOINT}' needs weights; name a folder or a hub id with --checkpoint")
        elif changed := [field.name for field in _LLM_OPTIONS if getattr(self, field.name) != field.default]:
            raise UsageError(
                f"option '{changed[0]}' is for published LLMs, and size '{size}' is trained from scratch; leave it "
                f"out, or choose --size {next(iter(self.hub))} or --checkpoint"
            )


_LLM_OPTIONS = dataclasses.fields(PretrainedBackbone)[len(dataclasses.fields(CodeBackbone)) :]
"""The options that published sizes alone have."""
