"""Out of memory: how it is recognised, and what is advised for training."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from mindrec_bench.distributed.memory import explain_out_of_memory, is_out_of_memory
from mindrec_bench.errors import MrbenchError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"), True),
        (RuntimeError("Out of memory", 2), True),
        (RuntimeError(MemoryError), False),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), False),
        (ValueError("out of memory"), False),
    ],
    ids=str,
)
def test_errors_that_mean_out_of_memory(error, expected):
    assert is_out_of_memory(error) == expected


def test_error_of_this_machines_allocator():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


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
def test_advice_for_training(backbone, size, advice):
    with (
        pytest.raises(MrbenchError, match=rf"^training net \(size {size}\) ran out of memory on cpu; use {advice}"),
        explain_out_of_memory(backbone, "net", size, "cpu"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(RuntimeError, match="shapes"), explain_out_of_memory(backbone, "net", size, "cpu"):
        raise RuntimeError("shapes")
