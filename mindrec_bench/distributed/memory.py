"""Out of memory: how it is recognised, and what to advise when training runs out of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.backbone import Backbone
from ..errors import MrbenchError

MESSAGES = ("out of memory", "not enough memory", "alloc_failed")
"""What accelerate does not recognise: other wordings of CUDA's errors, the CPU allocator's on Windows, cuBLAS's."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the CPU or a GPU is out of memory."""
    from accelerate.utils.memory import should_reduce_batch_size

    if not isinstance(error, RuntimeError):
        return isinstance(error, MemoryError)
    text = str(error)  # accelerate asks for an error with one argument, a text
    return should_reduce_batch_size(RuntimeError(text)) or any(message in text.lower() for message in MESSAGES)


def free_memory() -> None:
    """Give back what nothing refers to any more, that of GPUs included; trainers leave cycles of references."""
    from accelerate.utils import release_memory

    release_memory()


@contextmanager
def explain_out_of_memory(backbone: Backbone, name: str, size: str, device: str) -> Iterator[None]:
    """Turn an out-of-memory error of training into one that says what to change.

    Args:
        backbone: with the defaults of its size; the advice depends on its options' names.
        name: of the model, as on the command line.
        size: its size.
        device: what it trains on.

    Raises:
        MrbenchError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        advice = " or ".join([*_advice(backbone, name, size), f"a {device} device with more memory"])
        raise MrbenchError(f"training {name} (size {size}) ran out of memory on {device}; use {advice}") from error


def _advice(backbone: Backbone, name: str, size: str) -> Iterator[str]:
    options = dataclasses.asdict(backbone)  # type: ignore[call-overload]  # every backbone is a dataclass
    batch = options.get("batch")
    if isinstance(batch, int) and batch > 1:
        yield f"a smaller batch (--model {name}:batch={batch // 2})"
    for option, value in options.items():
        if option.endswith("checkpointing") and not value:
            yield f"gradient checkpointing (--model {name}:{option}=yes)"
    smaller_sizes = backbone.sizes[: backbone.sizes.index(size)]
    if smaller_sizes:
        yield f"a smaller model (--size {smaller_sizes[-1]})"
