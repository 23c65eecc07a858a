"""How many users to decode together on a GPU: the largest batch that gains and fits, found by trying."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from ..core.dataset import Examples
from ..distributed.memory import free_memory, is_out_of_memory
from .batch_decoder import BatchDecoder, Meter
from .config import LARGEST_BATCH

logger = logging.getLogger(__name__)

FIRST_BATCH = 16
"""The first size that is tried: at the largest models already a batch of 16 keeps a GPU busy."""

GAIN = 1.1
"""A batch twice as large must decode so many times as many users per second to be worth its memory."""

MEMORY_SHARE = 0.8
"""The share of a GPU's memory that a batch may be expected to need; histories of other batches may be longer."""

TRIES = 3
"""A size that does not gain is tried again: its first batch may compile kernels, which takes longer than a batch."""

LONG_SECONDS = 5.0
"""A batch that takes longer is not tried again: compiling takes a small part of it."""


def find_batch_size(decoder: BatchDecoder, examples: Examples) -> int:
    """The batch size, a power of two, after which doubling gains less than a tenth, or needs too much memory.

    Decodes the first users of a run, in batches that double, and keeps nothing of it.

    Args:
        decoder: of the run, on a GPU; its own batch size is not used.
        examples: of the run.
    """
    largest = min(LARGEST_BATCH, 1 << (len(examples) - 1).bit_length())
    size, speed = min(FIRST_BATCH, largest), 0.0
    _try(decoder, examples, size)  # the first batch compiles kernels and fills caches
    while (tried := _fastest(decoder, examples, size, enough=GAIN * speed)) is not None:
        new_speed, peak = tried
        logger.debug(f"{size} users at a time: {new_speed:.0f} users per second, {peak:.0%} of the memory")
        if new_speed < GAIN * speed:
            return size // 2
        if size == largest or 2 * peak > MEMORY_SHARE:
            return size
        size, speed = 2 * size, new_speed
    free_memory()
    return max(1, size // 2)


def _fastest(decoder: BatchDecoder, examples: Examples, size: int, *, enough: float) -> tuple[float, float] | None:
    """The first of a few tries that is fast enough, in users per second, or else the fastest; see `_try`."""
    best = (0.0, 0.0)
    for _ in range(TRIES):
        tried = _try(decoder, examples, size)
        if tried is None:
            return None
        best = max(best, tried)
        if best[0] >= enough or size > LONG_SECONDS * best[0]:
            break
    return best


def _try(decoder: BatchDecoder, examples: Examples, size: int) -> tuple[float, float] | None:
    """Users per second and the share of the GPU's memory that was used; None where memory runs out."""
    import torch

    first = Examples(examples.histories[:size], examples.targets[:size])
    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    try:
        for _ in replace(decoder, batch_size=size).decode_batches(first, Meter()):
            pass  # its rows are on the host, so the GPU has finished
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    seconds = time.perf_counter() - start
    memory = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    return len(first) / seconds, torch.cuda.max_memory_allocated() / memory
