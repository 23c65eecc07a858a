"""What decoding costs a user, counted from shapes: operations, bytes and host copies (no guess but the rates measured).

d hidden, w feed-forward width, L layers, h history items, T slots, P = h + T positions, V codes in the vocabulary, b
beams; step s has K states a user (1 at first, then b), each with m = T - s masked slots. Floating-point operations:

* project(n): queries, keys and values of n positions, 6 n d^2;
* after(n): output matrix and feed-forward of n positions, n (2 d^2 + 6 d w);
* attend(q, k): q queries over k keys, 4 q k d;
* head(n): n 2 d V.

A state of the plain way: L (project(P) + after(P) + attend(P, P)) + head(P). With full attention, each thing once:
project(T) + (L - 2) project(P) + (L - 1) (after(P) + attend(P, P)), and in the last layer keys and values of P, the
rest for m: 4 P d^2 + 2 m d^2 + attend(m, P) + after(m) + head(m). With prefix attention the same with T for P, but for
the keys. Histories that are read once cost a user project(h) (full) or the L layers over h (prefix).

Bytes: what each of these reads and writes of activations, 4 bytes a number, weights left out: project 4 d, after
6 d + 3 w, head 3 V a position. Host copies: the plain way takes two numbers of each candidate, and looks at each slot.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import torch

from mindrec_baselines.code_lm.sizes import TransformerSize
from mindrec_baselines.common import onednn_linear


@dataclass(frozen=True)
class Cost:
    """Operations, bytes and host copies."""

    flops: float = 0.0
    moved: float = 0.0
    copies: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.moved + other.moved, self.copies + other.copies)

    def __mul__(self, times: float) -> Cost:
        return Cost(self.flops * times, self.moved * times, self.copies * times)


@dataclass(frozen=True)
class Parts:
    """The parts above for one shape of network."""

    hidden: int
    width: int
    vocabulary: int

    def project(self, n: float, matrices: int = 3) -> Cost:
        """Queries, keys, values; or fewer of these."""
        return Cost(2 * matrices * n * self.hidden**2, 4 * n * (1 + matrices) * self.hidden)

    def after(self, n: float) -> Cost:
        """Output matrix and feed-forward."""
        flops = n * (2 * self.hidden**2 + 6 * self.hidden * self.width)
        return Cost(flops, 4 * n * (6 * self.hidden + 3 * self.width))

    def attend(self, queries: float, keys: float) -> Cost:
        """Scores and sums of values."""
        return Cost(4 * queries * keys * self.hidden)

    def head(self, n: float) -> Cost:
        """Scores of all codes, and their softmax."""
        return Cost(2 * n * self.hidden * self.vocabulary, 4 * 3 * n * self.vocabulary)

    def layer(self, n: float, keys: float) -> Cost:
        """All of one layer over n positions."""
        return self.project(n) + self.after(n) + self.attend(n, keys)

    def last(self, n: float, masked: float, keys: float) -> Cost:
        """The last layer and the head: keys and values of n positions, all else for the masked slots."""
        alone = self.project(masked, 1) + self.after(masked) + self.attend(masked, keys) + self.head(masked)
        return self.project(n, 2) + alone


def decoding(way: str, shape: TransformerSize, history: int, slots: int, codes: int, beam: int) -> Cost:
    """One user's cost by the names of `decoding.py`."""
    parts = Parts(shape.hidden, shape.hidden * 8 // 3, slots * codes)
    layers, positions = shape.layers, history + slots
    total = Cost()
    if way == "prefix":
        total += parts.layer(history, history) * (layers - 1) + parts.project(history)
    elif not way.startswith("plain"):
        total += parts.project(history)
    refresh = int(way.partition("=")[2] or 1)
    for step in range(slots):
        states, masked = beam if step else 1, slots - step
        if way.startswith("plain"):
            state = parts.layer(positions, positions) * layers + parts.head(positions)
            state += Cost(copies=slots + 2 * beam)
        elif way == "prefix" or step % refresh:
            state = parts.layer(slots, positions) * (layers - 1) + parts.last(slots, masked, positions)
        else:
            inner = parts.after(positions) + parts.attend(positions, positions)
            state = parts.project(slots) + parts.project(positions) * (layers - 2) + inner * (layers - 1)
            state += parts.last(positions, masked, positions)
        total += state * states
    return total


@dataclass(frozen=True)
class Rates:
    """Measured here: operations a second of a product of the network's shape, bytes a second, seconds a host copy."""

    flops: float
    moved: float
    copy: float


def measure(device: str, shape: TransformerSize) -> Rates:
    """The rates, each the best of some runs."""
    rows, hidden = 2048, shape.hidden
    x, weight = torch.randn(rows, hidden, device=device), torch.randn(3 * hidden, hidden, device=device)
    product = _best(device, lambda: onednn_linear.linear(x, weight))
    big = torch.randn(2**21, device=device)
    moved = _best(device, lambda: big + 1.0)
    number = torch.zeros(4, device=device)
    copy = _best(device, lambda: [number[1].item() for _ in range(100)]) / 100
    return Rates(2 * rows * 3 * hidden**2 / product, 2 * 4 * big.numel() / moved, copy)


def _best(device: str, work: object) -> float:
    times = []
    for _ in range(30):
        if device == "cpu":
            start = time.thread_time()
            work()  # type: ignore[operator]
            times.append(time.thread_time() - start)
        else:
            torch.cuda.synchronize()
            start = time.perf_counter()
            work()  # type: ignore[operator]
            torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
    return median(sorted(times)[:10])


def seconds(cost: Cost, rates: Rates) -> float:
    """A cost at these rates."""
    return cost.flops / rates.flops + cost.moved / rates.moved + cost.copies * rates.copy


def explain(shape: TransformerSize, history: int, slots: int, codes: int, beam: int, rates: Rates) -> list[str]:
    """The parts of the counted ratio."""
    lines = [
        f"rates: {rates.flops / 1e9:.0f} GFLOP/s, {rates.moved / 1e9:.1f} GB/s, {1e6 * rates.copy:.2f} us a host copy",
        "counted a user: way, MFLOP, MB, host copies, ms at these rates (operations + bytes + copies)",
    ]
    for way in ("plain", "full", "refresh=2", "refresh=4", "prefix"):
        cost = decoding(way, shape, history, slots, codes, beam)
        each = (cost.flops / rates.flops, cost.moved / rates.moved, cost.copies * rates.copy)
        lines.append(
            f"{way:10} {cost.flops / 1e6:8.1f} {cost.moved / 1e6:7.1f} {cost.copies:6.0f} {1e3 * sum(each):7.2f} "
            f"({' + '.join(f'{1e3 * part:.2f}' for part in each)})"
        )
    return lines
