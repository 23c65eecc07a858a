"""Batches of an objective over codes, with the histories as prompts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..common.noise import uniform
from ..training.batches import Collator
from .prompt_encoder import PromptEncoder

TEMPLATE_STREAM = 2
"""The noise stream that samples templates; 0 and 1 mask the targets of training and validation."""


def prompt_collator(collator: Collator, seed: int, encoder: PromptEncoder, stream: int) -> Collator:
    """The same batches with `prompt_ids` and `attention_mask` in place of `items`.

    Args:
        collator: of the objective over codes.
        seed: the run's.
        encoder: tokenizer and templates.
        stream: 0 for training, which samples a template for each example; 1 for validation, which uses the first.
    """

    def collate(examples: Any, keys: Any) -> dict[str, torch.Tensor]:
        templates = np.zeros(len(examples), dtype=np.int64)
        if stream == 0:
            noise = uniform(seed, TEMPLATE_STREAM, keys, 1)[:, 0]
            templates = (noise * len(encoder.templates)).astype(np.int64)
        prompt_ids, attention_mask = encoder.encode_prompts(examples.histories, templates)
        batch = collator(examples, keys)
        del batch["items"]
        return {
            "prompt_ids": torch.from_numpy(prompt_ids), "attention_mask": torch.from_numpy(attention_mask), **batch,
        }  # fmt: skip

    return collate
