"""What to do when memory runs out: smaller batches while decoding, and advice for training."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import MrbenchError

SIGNS = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
"""What errors without a class of their own say: of the CPU's allocator (each system has its words), CUDA and cuBLAS."""


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is no memory left, on the CPU or a GPU."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)


def release(device: str) -> None:
    """Give back what nothing uses any more. Call it when the error is gone: its traceback keeps tensors alive."""
    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()


@contextmanager
def training_advice(backbone: Any, name: str, size: str, device: str) -> Iterator[None]:
    """Say what to change when training runs out of memory.

    Args:
        backbone: as resolved at its size; what its options are called decides what is advised.
        name: of the model, as on the command line.
        size: its size.
        device: what it trains on.

    Raises:
        MrbenchError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        advice = " or ".join([*_advice(backbone, name, size), f"a {device} device with more memory"])
        raise MrbenchError(f"training {name} (size {size}) ran out of memory on {device}; take {advice}") from error


def _advice(backbone: Any, name: str, size: str) -> Iterator[str]:
    values = {field.name: getattr(backbone, field.name) for field in dataclasses.fields(backbone)}
    batch = values.get("batch")
    if isinstance(batch, int) and batch > 1:
        yield f"a smaller batch (--model {name}:batch={batch // 2})"
    for option, value in values.items():
        if option.endswith("checkpointing") and not value:
            yield f"gradient checkpointing (--model {name}:{option}=yes)"
    smaller = backbone.sizes[: backbone.sizes.index(size)]
    if smaller:
        yield f"a smaller model (--size {smaller[-1]})"
