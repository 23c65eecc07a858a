"""Time decoding with `llada` against the plain way, beside what counted operations allow.

Run `python benchmarks/decoding.py`. Users have 10 history items; SIDs are 4 slots of 256 codes; the network is `small`
with random weights. Every repeat runs all ways in turn and each number is a median over repeats, of CPU time of one
thread (on a GPU: of wall time). For each decoder and way it prints

* ms: milliseconds a user; model / expansion / pruning: their shares (expansion has the search's own bookkeeping);
* ratio: time of the plain way (`plain.py`) divided by this one's;
* counted: the same ratio by operations, bytes and host copies, each at the rate measured here (printed below);
* of it: ratio / counted;
* equal: share of users whose ranking is the plain one's, code for code (for stale histories: an approximation).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import counted
import numpy as np
import plain
import torch
from torch import Tensor

from mindrec_baselines.code_lm.masked_lm import MaskedCodeLM
from mindrec_baselines.code_lm.sizes import BLOCKS
from mindrec_baselines.llada import LladaModel
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Canvas
from mindrec_bench.testing import make_canvas
from mindrec_decoders.search.diffusion_search import diffusion_search
from mindrec_decoders.search.expansion import any_order
from mindrec_decoders.search.pruning import RULES

HISTORY, SLOTS, CODES, ITEMS = 10, 4, 256, 10_000
SHAPE = BLOCKS["small"]


def network(attention: str, device: str) -> MaskedCodeLM:
    """A `small` network whose answers are as far apart as a trained one's, so that rankings are not all ties."""
    sids = np.random.default_rng(0).integers(0, CODES, size=(ITEMS, SLOTS))
    torch.manual_seed(0)
    made = MaskedCodeLM(CodeSpace.build(sids), SHAPE, 0.0, attention)  # type: ignore[arg-type]
    for parameter in made.blocks.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.12)
    return made.requires_grad_(False).eval().to(device)


def users(count: int) -> Histories:
    """Random whole histories."""
    items = np.random.default_rng(1).integers(0, ITEMS, size=(count, HISTORY))
    return Histories(items, np.arange(count))


@dataclass(frozen=True)
class Timed:
    """What stands in for a part of the search and measures it."""

    inner: Any
    clock: plain.Clock

    @property
    def slots(self) -> tuple[int, ...]:
        """A stage's."""
        return self.inner.slots

    def log_probs(self, *question: Any) -> Tensor:
        """A context's."""
        with self.clock.part("model"):
            return self.inner.log_probs(*question)

    def __call__(self, *given: Any, **options: Any) -> Tensor:
        """A pruning rule's."""
        with self.clock.part("pruning"):
            return self.inner(*given, **options)


def ours(model: LladaModel, histories: Histories, rule: str, beam: int, clock: plain.Clock) -> tuple[Tensor, Tensor]:
    """The toolkit's search. As `plain.decode`."""
    start = clock.now()
    with clock.part("model"):
        context = model.begin(histories, tuple(range(SLOTS)))
    canvas = on_device(make_canvas(model.network.space, histories.users), clock.device)
    prune = Timed(RULES[rule], clock)  # type: ignore[index]
    found = diffusion_search(Timed(context, clock), canvas, beam=beam, expand=any_order, prune=prune)
    clock.seconds["expansion"] = clock.now() - start - sum(clock.seconds.values())
    return found.codes, found.scores


def on_device(canvas: Canvas, device: str) -> Canvas:
    """The same canvas elsewhere."""
    parts = {name: getattr(canvas, name).to(device) for name in ("start", "items", "users")}
    return replace(canvas, **parts)


Way = Callable[[Histories, str, int, plain.Clock], tuple[Tensor, Tensor]]


def ways(device: str) -> dict[str, Way]:
    """By name; each attention has a plain way of its own, since its rankings are others."""
    full, prefix = network("full", device), network("prefix", device)
    found: dict[str, Way] = {"plain": partial(plain.decode, full), "full": partial(ours, LladaModel(full))}
    found |= {f"refresh={r}": partial(ours, LladaModel(full, r)) for r in (2, 4)}
    return found | {"plain prefix": partial(plain.decode, prefix), "prefix": partial(ours, LladaModel(prefix))}


def table(rule: str, given: Histories, beam: int, repeats: int, device: str) -> list[str]:
    """The lines of one decoder."""
    runs: dict[str, list[plain.Clock]] = {}
    answers: dict[str, Tensor] = {}
    chosen = ways(device)
    for repeat in range(repeats + 1):
        for name, way in chosen.items():
            clock = plain.Clock(device)
            answers[name], _ = way(given, rule, beam, clock)
            if repeat:  # the first is for warming up
                runs.setdefault(name, []).append(clock)
    rates = counted.measure(device, SHAPE)
    lines = []
    for name, clocks in runs.items():
        base = "plain prefix" if "prefix" in name else "plain"
        totals = [sum(clock.seconds.values()) for clock in clocks]
        ratio = median(sum(b.seconds.values()) / t for b, t in zip(runs[base], totals, strict=True))
        shares = [median(c.seconds[part] / t for c, t in zip(clocks, totals, strict=True)) for part in PARTS]
        count = [counted.decoding(way, SHAPE, HISTORY, SLOTS, CODES, beam) for way in (base, name)]
        limit = counted.seconds(count[0], rates) / counted.seconds(count[1], rates)
        same = (answers[name] == answers[base]).all(dim=-1).all(dim=-1).float().mean()
        lines.append(
            f"{rule:12} {name:13} {1e3 * median(totals) / len(given):7.2f} "
            + " ".join(f"{100 * share:5.0f}%" for share in shares)
            + f" {ratio:6.2f} {limit:8.2f} {100 * ratio / limit:5.0f}% {100 * same:6.1f}%"
        )
    return lines


PARTS = ("model", "expansion", "pruning")


def main() -> None:
    """One table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--beam", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--decoders", nargs="+", default=["bs", "dbs-dedup", "dbs-penalty"])
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"{device}, {asked.threads} thread(s), {asked.users} users, beam {asked.beam}, {HISTORY} history items")
    print("decoder      way           ms/user  model expand  prune  ratio  counted  of it   equal")
    for rule in asked.decoders:
        print("\n".join(table(rule, users(asked.users), asked.beam, asked.repeats, device)), flush=True)
    print("\n".join(counted.explain(SHAPE, HISTORY, SLOTS, CODES, asked.beam, counted.measure(device, SHAPE))))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
