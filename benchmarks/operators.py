"""What one training step asks of the device: how often it calls each operator, counted on a CPU.

    python benchmarks/operators.py --model llada --size small --batch 128

Under autocast to bf16, as on a GPU, one call is one kernel there or a few: `embedding_dense_backward` sorts, the
gradient of attention is two or three, and operators over lists of tensors take several lists. Views are no kernels and
are left out. All sequences run together, as on a GPU; what a CPU does otherwise still, to drop slots that are not
masked, is a dozen calls.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mindrec_baselines.code_lm import transformer
from mindrec_baselines.training import trainer
from mindrec_bench.core.backbone import Task
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.plugins import registry

VIEWS = (
    "view", "_unsafe_view", "reshape", "expand", "transpose", "t", "permute", "slice", "select", "split", "unsqueeze",
    "squeeze", "detach", "alias", "as_strided", "unbind", "chunk", "lift_fresh", "empty", "empty_like", "new_empty",
    "empty_strided", "new_empty_strided", "split_with_sizes", "_reshape_alias", "_local_scalar_dense", "diagonal",
    "unfold", "is_same_size", "_record_function_enter_new", "_record_function_exit",
)  # fmt: skip


class OperatorCounter(TorchDispatchMode):
    """Counts calls by part of the step and operator."""

    def __init__(self) -> None:
        super().__init__()
        self.part, self.calls = "", Counter[tuple[str, str]]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name not in VIEWS:
            self.calls[self.part, name] += 1
        return func(*args, **(kwargs or {}))


def count(backbone: Any, task: Task, *, bf16: bool = True, norms: bool = True) -> Counter[tuple[str, str]]:
    """The calls of one step, after one that allocates the optimiser's state; `norms`: count those of the norms too."""
    transformer.BUCKET_SIZE = backbone.batch
    network = backbone.new_network(task).train()
    if not norms:
        for layer in network.modules():
            if type(layer).__name__.endswith("RMSNorm"):
                layer.forward = lambda states: states  # type: ignore[method-assign]
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    examples = trainer.ExampleDataset(task.data.train_examples(), backbone.collator(task, 0))
    batch = examples.__getitems__(list(range(backbone.batch)))
    for _ in range(2):
        counter = OperatorCounter()
        with counter:
            counter.part = "forward"
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                loss = network(**batch)["loss"]
            counter.part = "backward"
            loss.float().backward()
            counter.part = "clipping and AdamW"
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
    return counter.calls


def main() -> None:
    """Print a table: operators with their calls by part, most first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llada")
    parser.add_argument("--size", default="small")
    parser.add_argument("--batch", type=int, default=128)
    arguments = parser.parse_args()
    data = ArtsSim(users=200, items=200).load(None, users=None)
    task = Task(data, data.space(categories=True), size=arguments.size, quiet=True)
    options = f"{arguments.model}:batch={arguments.batch}"
    backbone: Any = registry.make("model", options)[1].with_size_defaults(arguments.size)
    calls, without = count(backbone, task), count(backbone, task, norms=False)
    parts = list(dict.fromkeys(part for part, _ in calls))
    totals = Counter[str]()
    for (_, name), number in calls.items():
        totals[name] += number
    print("| operator | " + " | ".join(parts) + " | all |")
    print("| --- |" + " ---: |" * (len(parts) + 1))
    for name, number in totals.most_common():
        print(f"| {name} | " + " | ".join(str(calls[part, name] or "") for part in parts) + f" | {number} |")
    sums = [sum(number for (of, _), number in calls.items() if of == part) for part in parts]
    print("| together | " + " | ".join(map(str, sums)) + f" | {sum(sums)} |")
    of_norms = [
        total - sum(number for (of, _), number in without.items() if of == part)
        for part, total in zip(parts, sums, strict=True)
    ]
    print("| of these the norms | " + " | ".join(map(str, of_norms)) + f" | {sum(of_norms)} |")


if __name__ == "__main__":
    main()
