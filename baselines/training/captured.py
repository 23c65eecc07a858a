"""A function of batches as a CUDA graph: the GPU repeats all its kernels at one launch.

At `small` a training step is hundreds of kernels of a few microseconds, and a GPU waits for each to be launched. A
graph is captured once for each shape of batch. Random numbers differ from replay to replay as they do from call to
call, and `torch.cuda.get_rng_state` counts them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .batches import Batch

logger = logging.getLogger(__name__)

MOST_SHAPES = 24
"""With more shapes of batches than these nothing is captured."""


@dataclass(frozen=True, eq=False)
class CapturedGraph:
    """A graph, the tensors that it reads, and the one that it writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Batch
    output: Tensor

    def replay(self, batch: Batch) -> Tensor:
        """Compute the output of a batch; the next replay overwrites it."""
        for name, tensor in batch.items():
            self.inputs[name].copy_(tensor, non_blocking=True)
        self.graph.replay()
        return self.output


@dataclass(eq=False)
class Captured:
    """Calls `function`, on a GPU by a graph where it can be captured.

    The first call with a shape is an ordinary one, in which libraries and optimisers allocate what they keep; the
    second captures the graph. A function that can't be captured, because it reads a value back to the host, is called
    as it is.

    Attributes:
        function: computes a tensor from tensors on `device`; it may change other tensors in place.
        device: what it computes on; batches may come from the CPU.
        forget: called after a failed capture, to drop what `function` left in Python, such as gradients.
        enabled: whether to capture; never on a CPU.
        graphs: by the shapes of a batch; None after the first call with them.
        memory: the pool that all graphs share.
    """

    function: Callable[[Batch], Tensor]
    device: torch.device
    forget: Callable[[], object] = lambda: None
    enabled: bool = True
    graphs: dict[tuple[object, ...], CapturedGraph | None] = field(default_factory=dict)
    memory: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.enabled = self.enabled and self.device.type == "cuda"
        if self.enabled:  # one graph is replayed at a time, so all can compute in the same memory
            self.memory = torch.cuda.graph_pool_handle()

    def __call__(self, batch: Batch) -> Tensor:
        """The output of a batch, which the next call may overwrite."""
        if not self.enabled:
            return self.function({name: tensor.to(self.device) for name, tensor in batch.items()})
        batch = {name: tensor if tensor.is_cuda else tensor.pin_memory() for name, tensor in batch.items()}
        if len(self.graphs) > MOST_SHAPES:
            self.graphs.clear()
            self.enabled = False
            return self(batch)
        shapes = tuple((name, tensor.shape, tensor.dtype) for name, tensor in batch.items())
        if shapes in self.graphs and (graph := self.graphs[shapes] or self._capture(batch, shapes)):
            return graph.replay(batch)
        self.graphs[shapes] = None
        return self.function({name: tensor.to(self.device, non_blocking=True) for name, tensor in batch.items()})

    def _capture(self, batch: Batch, shapes: tuple[object, ...]) -> CapturedGraph | None:
        """Capture the graph for batches of these shapes; None where that fails."""
        inputs = {name: torch.empty_like(tensor, device=self.device) for name, tensor in batch.items()}
        for name, tensor in batch.items():
            inputs[name].copy_(tensor, non_blocking=True)
        graph, random_state = torch.cuda.CUDAGraph(), torch.cuda.get_rng_state(self.device)
        try:
            stream = torch.cuda.current_stream()
            with torch.cuda.graph(graph, self.memory, stream, capture_error_mode="thread_local"):
                output = self.function(inputs)
        except RuntimeError as error:
            first_line = str(error.__context__ or error).partition("\n")[0]
            logger.warning(f"this GPU can't capture the training step as a graph ({first_line}); it is slower without")
            self.enabled = False
            self.forget()
            _renew_generator(self.device, random_state)
            return None
        self.graphs[shapes] = captured = CapturedGraph(graph, inputs, output)
        return captured


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """On a GPU, compute on a stream of its own in the block, since the default one can't be captured."""
    if device.type != "cuda":
        yield
        return
    outer, stream = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    stream.wait_stream(outer)
    with torch.cuda.stream(stream):
        yield
    outer.wait_stream(stream)


def _renew_generator(device: torch.device, state: Tensor) -> None:
    """Give the GPU's generator a new state, since a failed capture leaves the old one waiting for its end."""
    index = torch.cuda.current_device() if device.index is None else device.index
    generator = torch.Generator(torch.device("cuda", index))
    generator.set_state(state)
    torch.cuda.default_generators[index].graphsafe_set_state(generator.graphsafe_get_state())
