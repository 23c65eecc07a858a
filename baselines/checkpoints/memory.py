"""How much GPU memory fine-tuning needs, estimated from the shapes of a checkpoint's tensors, for `--size auto`."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .files import find_checkpoint, open_checkpoint

BATCH, LENGTH = 8, 256
"""Examples per step, and tokens per example: prompts of 10 items with categories have about 200."""


def training_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Memory of LoRA fine-tuning in bf16 with the default options; an upper bound, not a measurement.

    Weights take 2 bytes (the head 4), trained values 16 (value, gradient and AdamW's two moments in float32), and every
    matrix of the blocks its inputs and outputs for each token.

    Args:
        shapes: of the checkpoint's tensors.
    """
    total = sum(math.prod(shape) for shape in shapes.values())
    matrices = [shape for shape in shapes.values() if len(shape) == 2]
    vocab_size = max((shape[0] for shape in matrices), default=0)
    embeddings = [shape for shape in matrices if shape[0] == vocab_size]
    blocks = [shape for shape in matrices if shape[0] != vocab_size]
    embedding = math.prod(embeddings[0]) if embeddings else 0
    low_rank = 8 * sum(map(sum, blocks))
    activations = 2 * BATCH * LENGTH * sum(map(sum, blocks))
    return 2 * total + 2 * embedding + 16 * (low_rank + 2 * embedding) + activations


def auto_size_obstacle(name: str) -> str:
    """Why `--size auto` should not choose these published weights; '' where they are in the cache and fit the GPU."""
    import torch

    if find_checkpoint(name) is None:
        return f"the weights of {name} are not in the hub's cache"
    needed = training_bytes(open_checkpoint(name).shapes)
    available = torch.cuda.get_device_properties(0).total_memory
    if needed > available:
        return f"fine-tuning {name} takes about {needed / 2**30:.0f} GiB and the GPU has {available / 2**30:.0f}"
    return ""
