"""The cost of decoding per user, counted from shapes: operations, bytes and host copies, at rates that are measured.

d hidden width, w feed-forward width, L layers, h history items, T slots, P = h + T positions, V codes in the
vocabulary, b beams. Step s has K states per user (1 at first, then b), each with m = T - s masked slots. Floating-point
operations:

* project(n): queries, keys and values of n positions, 6 n d^2;
* after(n): output matrix and feed-forward of n positions, n (2 d^2 + 6 d w);
* attend(q, k): q queries over k keys, 4 q k d;
* head(n): n 2 d V.

A state of the plain implementation costs L (project(P) + after(P) + attend(P, P)) + head(P). With full attention and
nothing computed twice: project(T) + (L - 2) project(P) + (L - 1) (after(P) + attend(P, P)), and in the last layer keys
and values of P, and the rest for m: 4 P d^2 + 2 m d^2 + attend(m, P) + after(m) + head(m). With prefix attention it is
the same with T in place of P, except for the keys. Histories that are read once cost a user project(h) (full) or the L
layers over h (prefix).

Bytes are the activations that each of these reads and writes, 4 bytes per number, without weights: project 4 d, after
6 d + 3 w, head 3 V per position. Host copies: the plain implementation copies two numbers of each candidate and looks
at each slot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from mindrec_baselines.code_lm.sizes import TransformerSize
from mindrec_baselines.common.onednn_linear import onednn_linear


@dataclass(frozen=True)
class Cost:
    """Operations, bytes and host copies."""

    flops: float = 0.0
    moved_bytes: float = 0.0
    copies: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.moved_bytes + other.moved_bytes, self.copies + other.copies)

    def __mul__(self, times: float) -> Cost:
        return Cost(self.flops * times, self.moved_bytes * times, self.copies * times)


@dataclass(frozen=True)
class LayerCosts:
    """The terms above for one network."""

    hidden: int
    feed_forward: int
    vocabulary: int

    def project(self, n: float, matrices: int = 3) -> Cost:
        """Queries, keys and values, or fewer of these."""
        return Cost(2 * matrices * n * self.hidden**2, 4 * n * (1 + matrices) * self.hidden)

    def after(self, n: float) -> Cost:
        """Output matrix and feed-forward."""
        flops = n * (2 * self.hidden**2 + 6 * self.hidden * self.feed_forward)
        return Cost(flops, 4 * n * (6 * self.hidden + 3 * self.feed_forward))

    def attend(self, queries: float, keys: float) -> Cost:
        """Scores, and sums of values."""
        return Cost(4 * queries * keys * self.hidden)

    def head(self, n: float) -> Cost:
        """Scores of all codes, and their softmax."""
        return Cost(2 * n * self.hidden * self.vocabulary, 4 * 3 * n * self.vocabulary)

    def layer(self, n: float, keys: float) -> Cost:
        """One whole layer over n positions."""
        return self.project(n) + self.after(n) + self.attend(n, keys)

    def last_layer(self, n: float, masked: float, keys: float) -> Cost:
        """The last layer and the head: keys and values of n positions, everything else for the masked slots."""
        masked_cost = self.project(masked, 1) + self.after(masked) + self.attend(masked, keys) + self.head(masked)
        return self.project(n, 2) + masked_cost


def decoding_cost(method: str, size: TransformerSize, history: int, slots: int, codes: int, beam: int) -> Cost:
    """The cost of one user; methods are named as in `decoding.py`."""
    costs = LayerCosts(size.hidden, size.hidden * 8 // 3, slots * codes)
    layers, positions = size.layers, history + slots
    total = Cost()
    if method == "prefix":
        total += costs.layer(history, history) * (layers - 1) + costs.project(history)
    elif not method.startswith("plain"):
        total += costs.project(history)
    refresh = int(method.partition("=")[2] or 1)
    for step in range(slots):
        states, masked = beam if step else 1, slots - step
        if method.startswith("plain"):
            state = costs.layer(positions, positions) * layers + costs.head(positions)
            state += Cost(copies=slots + 2 * beam)
        elif method == "prefix" or step % refresh:
            state = costs.layer(slots, positions) * (layers - 1) + costs.last_layer(slots, masked, positions)
        else:
            inner = costs.after(positions) + costs.attend(positions, positions)
            state = costs.project(slots) + costs.project(positions) * (layers - 2) + inner * (layers - 1)
            state += costs.last_layer(positions, masked, positions)
        total += state * states
    return total


@dataclass(frozen=True)
class Rates:
    """What this machine does per second: operations of a product of the network's shape, bytes, and host copies."""

    flops: float
    moved_bytes: float
    copies: float

    def seconds(self, cost: Cost) -> tuple[float, float, float]:
        """The time of the operations, bytes and host copies of a cost."""
        return cost.flops / self.flops, cost.moved_bytes / self.moved_bytes, cost.copies / self.copies


def measure_rates(device: str, size: TransformerSize) -> Rates:
    """Measure the rates of this machine."""
    rows, hidden = 2048, size.hidden
    inputs, weight = torch.randn(rows, hidden, device=device), torch.randn(3 * hidden, hidden, device=device)
    product = _best_seconds(device, lambda: onednn_linear(inputs, weight))
    numbers = torch.randn(2**21, device=device)
    moved = _best_seconds(device, lambda: numbers + 1.0)
    small = torch.zeros(4, device=device)
    copies = _best_seconds(device, lambda: [small[1].item() for _ in range(100)])
    return Rates(2 * rows * 3 * hidden**2 / product, 2 * 4 * numbers.numel() / moved, 100 / copies)


def _best_seconds(device: str, work: Callable[[], object]) -> float:
    """The median of the ten quickest of 30 runs."""
    times = []
    for _ in range(30):
        if device == "cpu":
            start = time.thread_time()
            work()
            times.append(time.thread_time() - start)
        else:
            torch.cuda.synchronize()
            start = time.perf_counter()
            work()
            torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
    return median(sorted(times)[:10])


def cost_lines(size: TransformerSize, history: int, slots: int, codes: int, beam: int, rates: Rates) -> list[str]:
    """The counted cost of each method, as text."""
    lines = [
        f"rates: {rates.flops / 1e9:.0f} GFLOP/s, {rates.moved_bytes / 1e9:.1f} GB/s, "
        f"{1e6 / rates.copies:.2f} us per host copy",
        "counted per user: method, MFLOP, MB, host copies, ms at these rates (operations + bytes + copies)",
    ]
    for method in ("plain", "full", "refresh=2", "refresh=4", "prefix"):
        cost = decoding_cost(method, size, history, slots, codes, beam)
        seconds = rates.seconds(cost)
        terms = " + ".join(f"{1e3 * term:.2f}" for term in seconds)
        lines.append(
            f"{method:10} {cost.flops / 1e6:8.1f} {cost.moved_bytes / 1e6:7.1f} {cost.copies:6.0f} "
            f"{1e3 * sum(seconds):7.2f} ({terms})"
        )
    return lines
