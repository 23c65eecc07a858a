"""Time decoding with `llada` against a plain implementation, beside the ratio that counted operations allow.

Run `python benchmarks/decoding.py`. Users have 10 history items; SIDs have 4 slots of 256 codes; the network is `small`
with random weights. Every repeat runs all methods in turn; each number is a median over repeats, of the CPU time of one
thread (on a GPU: of wall time). For each decoder and method it prints

* ms: milliseconds per user; model / expansion / prune: their shares (expansion includes the search's own bookkeeping);
* ratio: time of the plain implementation (`plain_beam_search.py`) divided by that of the method;
* counted: the same ratio of operations, bytes and host copies, each at the rate measured here (printed below);
* of it: ratio / counted;
* equal: share of users whose ranking equals the plain one, code for code (`refresh` is an approximation).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import plain_beam_search
import torch
from cost_model import cost_lines, decoding_cost, measure_rates
from plain_beam_search import Stopwatch
from torch import Tensor

from mindrec_baselines.code_lm.masked_lm import MaskedCodeLM
from mindrec_baselines.code_lm.sizes import TRANSFORMER_SIZES
from mindrec_baselines.llada import LladaModel
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Canvas
from mindrec_bench.testing import make_canvas
from mindrec_decoders.search.beam_search import beam_search
from mindrec_decoders.search.options import PRUNING_OF_DECODER
from mindrec_decoders.search.pruning import PRUNING_RULES

HISTORY, SLOTS, CODES, ITEMS = 10, 4, 256, 10_000
SIZE = TRANSFORMER_SIZES["small"]
SECTIONS = ("model", "expansion", "pruning")


def make_network(attention: str, device: str) -> MaskedCodeLM:
    """A `small` network whose probabilities differ as much as a trained one's, so that rankings are not all ties."""
    sids = np.random.default_rng(0).integers(0, CODES, size=(ITEMS, SLOTS))
    torch.manual_seed(0)
    network = MaskedCodeLM(CodeSpace.build(sids), SIZE, 0.0, attention)  # type: ignore[arg-type]
    for parameter in network.blocks.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.12)
    return network.requires_grad_(False).eval().to(device)


def random_histories(n_users: int) -> Histories:
    """Random histories of full length."""
    items = np.random.default_rng(1).integers(0, ITEMS, size=(n_users, HISTORY))
    return Histories(items, np.arange(n_users))


@dataclass(frozen=True)
class TimedComponent:
    """Stands in for a context or a pruning rule, and times it."""

    component: Any
    stopwatch: Stopwatch

    def log_probs(self, *arguments: Any) -> Tensor:
        """See `DenoiserContext`."""
        with self.stopwatch.section("model"):
            return self.component.log_probs(*arguments)

    def __call__(self, *arguments: Any, **options: Any) -> Tensor:
        """See `PruningRule`."""
        with self.stopwatch.section("pruning"):
            return self.component(*arguments, **options)


def decode_with_search(
    model: LladaModel, histories: Histories, rule: str, beam: int, stopwatch: Stopwatch
) -> tuple[Tensor, Tensor]:
    """The search of the decoders; arguments and results as of `plain_beam_search.decode`."""
    start = stopwatch.now()
    with stopwatch.section("model"):
        context = model.begin(histories, tuple(range(SLOTS)))
    canvas = to_device(make_canvas(model.network.space, histories.users), stopwatch.device)
    pruning = TimedComponent(PRUNING_RULES[PRUNING_OF_DECODER[rule]], stopwatch)  # type: ignore[index]
    timed_context = TimedComponent(context, stopwatch)
    ranking = beam_search(timed_context, canvas, beam=beam, expansion="any-order", pruning=pruning)
    stopwatch.seconds["expansion"] = stopwatch.now() - start - sum(stopwatch.seconds.values())
    return ranking.codes, ranking.scores


def to_device(canvas: Canvas, device: str) -> Canvas:
    """The same canvas on another device."""
    return replace(canvas, **{name: getattr(canvas, name).to(device) for name in ("start", "items", "users")})


Method = Callable[[Histories, str, int, Stopwatch], tuple[Tensor, Tensor]]


def make_methods(device: str) -> dict[str, Method]:
    """Methods by name; each attention has its own plain method, because its rankings differ."""
    full, prefix = make_network("full", device), make_network("prefix", device)
    refreshing = {f"refresh={r}": partial(decode_with_search, LladaModel(full, r)) for r in (2, 4)}
    return {
        "plain": partial(plain_beam_search.decode, full),
        "full": partial(decode_with_search, LladaModel(full)),
        **refreshing,
        "plain prefix": partial(plain_beam_search.decode, prefix),
        "prefix": partial(decode_with_search, LladaModel(prefix)),
    }


def result_lines(rule: str, histories: Histories, beam: int, repeats: int, device: str) -> list[str]:
    """The lines of one decoder."""
    stopwatches: dict[str, list[Stopwatch]] = {}
    rankings: dict[str, Tensor] = {}
    methods = make_methods(device)
    for repeat in range(repeats + 1):
        for name, method in methods.items():
            stopwatch = Stopwatch(device)
            rankings[name], _ = method(histories, rule, beam, stopwatch)
            if repeat:  # the first round is for warming up
                stopwatches.setdefault(name, []).append(stopwatch)
    rates = measure_rates(device, SIZE)
    lines = []
    for name, repeated in stopwatches.items():
        base = "plain prefix" if "prefix" in name else "plain"
        totals = [sum(stopwatch.seconds.values()) for stopwatch in repeated]
        base_totals = [sum(stopwatch.seconds.values()) for stopwatch in stopwatches[base]]
        ratio = median(base_total / total for base_total, total in zip(base_totals, totals, strict=True))
        shares = [
            median(stopwatch.seconds[section] / total for stopwatch, total in zip(repeated, totals, strict=True))
            for section in SECTIONS
        ]
        costs = [decoding_cost(method, SIZE, HISTORY, SLOTS, CODES, beam) for method in (base, name)]
        base_seconds, seconds = (sum(rates.seconds(cost)) for cost in costs)
        counted = base_seconds / seconds
        equal = (rankings[name] == rankings[base]).all(dim=-1).all(dim=-1).float().mean()
        lines.append(
            f"{rule:12} {name:13} {1e3 * median(totals) / len(histories):7.2f} "
            + " ".join(f"{100 * share:5.0f}%" for share in shares)
            + f" {ratio:6.2f} {counted:8.2f} {100 * ratio / counted:5.0f}% {100 * equal:6.1f}%"
        )
    return lines


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--beam", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--decoders", nargs="+", default=["bs", "dbs-dedup", "dbs-penalty"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"{device}, {options.threads} thread(s), {options.users} users, beam {options.beam}, {HISTORY} history items")
    print("decoder      method        ms/user  model expand  prune  ratio  counted  of it   equal")
    for rule in options.decoders:
        lines = result_lines(rule, random_histories(options.users), options.beam, options.repeats, device)
        print("\n".join(lines), flush=True)
    print("\n".join(cost_lines(SIZE, HISTORY, SLOTS, CODES, options.beam, measure_rates(device, SIZE))))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
