"""Time a state of `rank-items` beside a state of a beam search, with the counted ratio of states.

Run `python benchmarks/ranking.py`, on a GPU with `--device cuda --users 512`. Users have 10 history items; SIDs have 4
slots of 256 codes, 10,000 items; the network is `llada`'s `small` with random weights, whose shortlists are more varied
than a trained network's. Every repeat runs all decoders in turn; each number is a median over repeats, of the CPU time
of one thread (on a GPU: of wall time). For each attention and decoder it prints

* states: how many a user took, padding included;
* us/state: microseconds a state, everything included; model: the share of the network;
* counted: states divided by those of the beam search;
* time: time divided by that of the beam search; of it: time / counted, what a state costs beside a beam's.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from decoding import SLOTS, TimedComponent, make_network, random_histories, to_device
from plain_beam_search import Stopwatch

from mindrec_baselines.llada import LladaModel
from mindrec_bench.core.dataset import Histories
from mindrec_bench.experiment.batch_decoder import Meter, MeteredContext
from mindrec_bench.plugins import registry
from mindrec_bench.testing import make_canvas

DECODERS = ("adaptive", "rank-items:shortlist=20", "rank-items:shortlist=60", "rank-items:score=order,shortlist=60")
"""The first is what the others are compared with."""


@dataclass
class Timing:
    """The repeats of one decoder: states a user, seconds, and seconds of the network."""

    states: float = 0.0
    seconds: list[float] = field(default_factory=list)
    model_seconds: list[float] = field(default_factory=list)


def decode(model: Any, decoder: Any, histories: Histories, beam: int, device: str) -> tuple[float, float, float]:
    """States a user, seconds, and seconds of the network."""
    meter, stopwatch = Meter(), Stopwatch(device)
    start = stopwatch.now()
    with torch.inference_mode():
        with stopwatch.section("model"):
            context = model.begin(histories, tuple(range(SLOTS)))
        canvas = to_device(make_canvas(model.network.space, histories.users), device)
        decoder.decode(MeteredContext(TimedComponent(context, stopwatch), meter), canvas, beam=beam)
    return meter.states / len(histories), stopwatch.now() - start, stopwatch.seconds["model"]


def result_lines(attention: str, histories: Histories, beam: int, repeats: int, device: str) -> list[str]:
    """The lines of one attention."""
    model = LladaModel(make_network(attention, device))
    decoders = {spec: registry.make("decoder", spec)[1] for spec in DECODERS}
    timings = {spec: Timing() for spec in DECODERS}
    for repeat in range(repeats + 1):
        for spec, decoder in decoders.items():
            states, seconds, model_seconds = decode(model, decoder, histories, beam, device)
            if repeat:  # the first round is for warming up
                timings[spec].states = states
                timings[spec].seconds.append(seconds)
                timings[spec].model_seconds.append(model_seconds)
    base, lines = timings[DECODERS[0]], []
    for spec, timing in timings.items():
        counted = timing.states / base.states
        ratio = median(a / b for a, b in zip(timing.seconds, base.seconds, strict=True))
        per_state = median(timing.seconds) / len(histories) / timing.states * 1e6
        share = median(a / b for a, b in zip(timing.model_seconds, timing.seconds, strict=True))
        lines.append(
            f"{attention:7} {spec:36} {timing.states:7.0f} {per_state:9.1f} {share:6.0%} {counted:8.1f} {ratio:7.1f} "
            f"{ratio / counted:6.2f}"
        )
    return lines


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=64, help="users in the batch")
    parser.add_argument("--beam", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{options.users} users, beam {options.beam}, {options.device}")
    print(f"{'':7} {'decoder':36} {'states':>7} {'us/state':>9} {'model':>6} {'counted':>8} {'time':>7} {'of it':>6}")
    for attention in ("full", "prefix"):
        for line in result_lines(
            attention, random_histories(options.users), options.beam, options.repeats, options.device
        ):
            print(line, flush=True)


if __name__ == "__main__":
    main()
