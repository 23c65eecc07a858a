"""Running out of memory: how it is recognised, and what is advised for training."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from mindrec_bench.distributed.memory import ran_out, training_advice
from mindrec_bench.errors import MrbenchError


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), False),
        (ValueError("out of memory"), False),
    ],
    ids=str,
)
def test_what_counts_as_memory_running_out(error, memory):
    assert ran_out(error) == memory


def test_the_allocator_of_this_machine_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert ran_out(caught.value)


@dataclass
class Backbone:
    batch: int = 128
    gradient_checkpointing: bool = False
    sizes = ("tiny", "small")


@pytest.mark.parametrize(
    ("backbone", "size", "advice"),
    [
        (
            Backbone(),
            "small",
            r"a smaller batch \(--model net:batch=64\) or gradient checkpointing "
            r"\(--model net:gradient_checkpointing=yes\) or a smaller model \(--size tiny\) or a cpu device",
        ),
        (Backbone(batch=1, gradient_checkpointing=True), "tiny", "a cpu device with more memory$"),
    ],
)
def test_training_says_what_to_change(backbone, size, advice):
    with (
        pytest.raises(MrbenchError, match=rf"^training net \(size {size}\) ran out of memory on cpu; take {advice}"),
        training_advice(backbone, "net", size, "cpu"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(RuntimeError, match="shapes"), training_advice(backbone, "net", size, "cpu"):
        raise RuntimeError("shapes")
