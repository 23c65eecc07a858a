"""How much GPU memory fine-tuning takes, from the shapes of a checkpoint; a bound for `--size auto`, not a promise."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .files import find, open_checkpoint

BATCH, LENGTH = 8, 256
"""Examples a step, and tokens an example: prompts of 10 items with categories have about 200."""


def training_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Memory of LoRA fine-tuning in bf16 with the options' defaults.

    Weights take 2 bytes (the head 4), what is trained 16 (value, gradient and AdamW's two moments in float32), and
    every matrix of the blocks its inputs and outputs for each token.

    Args:
        shapes: of the checkpoint's tensors.
    """
    total = sum(math.prod(shape) for shape in shapes.values())
    matrices = [shape for shape in shapes.values() if len(shape) == 2]
    rows = max((shape[0] for shape in matrices), default=0)
    tokens = [shape for shape in matrices if shape[0] == rows]
    blocks = [shape for shape in matrices if shape[0] != rows]
    embedding = math.prod(tokens[0]) if tokens else 0
    low_rank = 8 * sum(map(sum, blocks))
    activations = 2 * BATCH * LENGTH * sum(map(sum, blocks))
    return 2 * total + 2 * embedding + 16 * (low_rank + 2 * embedding) + activations


def reason_against(name: str) -> str:
    """Why the published weights should not be taken by themselves; '' where they are in the cache and fit the GPU."""
    import torch

    if find(name) is None:
        return f"the weights of {name} are not in the hub's cache"
    needed = training_bytes(open_checkpoint(name, lambda line: None).shapes)
    there = torch.cuda.get_device_properties(0).total_memory
    if needed > there:
        return f"fine-tuning {name} takes about {needed / 2**30:.0f} GiB and the GPU has {there / 2**30:.0f}"
    return ""
