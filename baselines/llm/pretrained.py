"""Sizes of a backbone that are published LLMs: their options, identity, fitting and loading.

A backbone lists this base before `TrainedBackbone`; at the sizes of `hub` and at `checkpoint` it reads prompts and is
fine-tuned by LoRA, at all others it is trained from scratch over codes.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Capability, Model
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins.options import LATER

from ..training.trained_backbone import SizeDefaults, TrainedBackbone

CHECKPOINT = "checkpoint"
"""The size of weights that the user names."""


def lora_defaults(lr: float) -> SizeDefaults:
    """Semantics section 3, "LLM sizes"; the dropout is LoRA's."""
    return SizeDefaults(lr=lr, epochs=3, batch=8, dropout=0.05, weight_decay=0.01)


@dataclass(frozen=True)
class PretrainedBackbone(TrainedBackbone):
    """Base of backbones that have published sizes too; a subclass's docstring is the one that users see.

    Attributes:
        checkpoint: a folder or a hub id (ORG/NAME, ORG/NAME@REVISION) to fine-tune, as size `checkpoint`.
        template: a text file of prompts, each with {history}, a line --- between them; the first is used at test.
        pad: shorter prompts are padded on the left, and the padding is masked, or attended to as released.
        train_tokens: train all rows of the input embedding and the output head, or only those of the new codes.
        gradient_checkpointing: compute activations twice and store few: less memory, more time.
        load_in_8bit: keep the published weights in 8 bits (needs bitsandbytes and a GPU).
    """

    checkpoint: str | None = field(default=None, metadata=LATER)
    template: str | None = field(default=None, metadata=LATER)
    pad: Literal["mask", "attend"] = field(default="mask", metadata=LATER)
    train_tokens: Literal["all", "new"] = field(default="all", metadata=LATER)
    gradient_checkpointing: bool = field(default=False, metadata=LATER)
    load_in_8bit: bool = field(default=False, metadata=LATER)

    capability: ClassVar[Capability]
    hub: ClassVar[Mapping[str, str]]
    """Size -> the hub id of its weights."""

    families: ClassVar[tuple[str, ...]]
    """The model types of checkpoints that can be read."""

    def with_size_defaults(self, size: str) -> Self:
        """The options with the size's own where they are None: the hub id of its weights too."""
        return replace(super().with_size_defaults(size), checkpoint=self.checkpoint or self.hub.get(size))

    def file_fingerprints(self, size: str) -> dict[str, str]:
        """What the files that the options name hold, for the identity of runs.

        Raises:
            UsageError: options and size contradict each other.
            DataError: a file is missing, or the hub can't be asked.
        """
        if not self._reads_text(size):
            return {}
        from ..checkpoints import files
        from . import templates

        wording = "\0".join(templates.read_templates(self.template))
        return {
            "checkpoint": files.fingerprint(str(self.with_size_defaults(size).checkpoint)),
            "prompts": f"sha256:{hashlib.sha256(wording.encode()).hexdigest()[:16]}",
        }

    def auto_size(self, *, simulation: bool, device: str) -> tuple[str, str]:
        """The size that `auto` means, and why: a published one only where its weights are here and fit."""
        if self.checkpoint is not None:
            return CHECKPOINT, "--checkpoint is given"
        if simulation:
            return "tiny", "the smallest, for a simulation"
        size, name = next(iter(self.hub.items()))
        if device != "cuda":
            return "small", f"the largest that is no published LLM; {size} needs a GPU"
        from ..checkpoints.memory import reason_against

        reason = reason_against(name)
        return ("small", reason) if reason else (size, f"the weights of {name} are here and fit")

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train from scratch, or fine-tune a published LLM.

        Raises:
            UsageError: options and size contradict each other.
            DataError: there is no such checkpoint, or it is broken or of another family.
            MrbenchError: the folder can't be written, or training diverged.
        """
        if not self._reads_text(task.size):
            return super().fit(task, folder)
        from . import fine_tuning

        return fine_tuning.fit(
            self.with_size_defaults(task.size),
            task,
            folder,
            recipe=self._recipe(task.size),
            objective=lambda stream: self._collate(task, stream),
        )

    def load(self, task: Task, folder: Path) -> Model:
        """The network with the best weights.

        Raises:
            DataError: there are none in `folder`, they are damaged, or the checkpoint is not here.
        """
        if not self._reads_text(task.size):
            return super().load(task, folder)
        from . import fine_tuning

        return fine_tuning.load(self.with_size_defaults(task.size), task, folder)

    def show_prompts(
        self, task: Task, histories: Histories, start: Int, slots: tuple[int, ...]
    ) -> list[dict[str, Any]] | None:
        """What the model reads at test, for each user; None at the sizes that read no text.

        Args:
            task: data, slots and size.
            histories: of the users.
            start: the canvas: code indices, -1 at the slots to fill. Shape: (B, T)
            slots: the slots of the space on the canvas.

        Raises:
            DataError: there is no such checkpoint, or it lacks a tokenizer.
        """
        if not self._reads_text(task.size):
            return None
        from . import prompt_preview

        return prompt_preview.shown(self.with_size_defaults(task.size), task, histories, start, slots)

    def _reads_text(self, size: str) -> bool:
        """Whether a size is a published LLM.

        Raises:
            UsageError: options and size contradict each other.
        """
        if size in self.hub:
            if self.checkpoint not in (None, self.hub[size]):
                raise UsageError(
                    f"size '{size}' is {self.hub[size]}; for other weights give --checkpoint without --size"
                )
            return True
        if size == CHECKPOINT:
            if self.checkpoint is None:
                raise UsageError(f"size '{CHECKPOINT}' needs weights; name a folder or a hub id with --checkpoint")
            return True
        mine = [entry for entry in dataclasses.fields(PretrainedBackbone) if entry.metadata.get("later")]
        given = [entry.name for entry in mine if getattr(self, entry.name) != entry.default]
        if given:
            raise UsageError(
                f"option '{given[0]}' is for published LLMs, and size '{size}' is trained from scratch; leave it out, "
                f"or choose --size {next(iter(self.hub))} or --checkpoint"
            )
        return False
