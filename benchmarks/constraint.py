"""Time the catalogue constraint, a step at a time, against one pass of a small model over the same beams.

Run `python benchmarks/constraint.py` (10^3 to 10^6 items; or name the sizes). Catalogues are random: 4 SID slots of 256
codes, code c about as frequent as 1 / (c + 10). For 128 users, 10 beams each, it prints for each size

* build: seconds and memory of the tables of any order (built once a run); the second memory has all tables;
* any order / left to right: the slowest of the 4 steps;
* joint 2, joint 4: the exact b best of 2 (first and second step) and 4 slots at once.

Steps are shares of one pass of the network of `llada` at `small`, 4 layers x 128, over the 10 history items and the
4 slots of all beams, whose milliseconds the first line has. It is the processor's time
where there is no accelerator, so that other work on the machine matters little.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaModel

from mindrec_baselines.common import onednn_linear
from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.constraint import CatalogueConstraint
from mindrec_decoders.search.expansion import Answers, Beams
from mindrec_decoders.search.joint import SeveralSlots

USERS, BEAM, SLOTS, CODES, HISTORY = 128, 10, 4, 256, 10
ALL = tuple(range(SLOTS))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The quickest of some runs."""
    clock = time.perf_counter if DEVICE == "cuda" else time.process_time
    times = []
    for _ in range(repeats):
        start = clock()
        work()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times)


def catalogue(n_items: int) -> Tensor:
    """Code indices of random items. Shape: (N, 4)"""
    weights = 1 / (np.arange(CODES) + 10)
    codes = np.random.default_rng(0).choice(CODES, size=(n_items, SLOTS), p=weights / weights.sum())
    return torch.from_numpy(codes).to(DEVICE)


def beams_at(items: Tensor, n_revealed: int, any_order: bool) -> Beams:
    """Beams with some slots of random items revealed: a random set of slots, or the first ones."""
    rng = np.random.default_rng(n_revealed)
    n_beams = BEAM if n_revealed else 1
    codes = items.cpu().numpy()[rng.integers(len(items), size=(USERS, n_beams))]
    place = rng.random(codes.shape).argsort(axis=2) if any_order else np.broadcast_to(np.arange(SLOTS), codes.shape)
    codes = torch.from_numpy(np.where(place < n_revealed, codes, MASK)).to(DEVICE)
    return Beams(codes, torch.zeros(codes.shape[:2], dtype=torch.float64, device=DEVICE))


def joint(constraint: CatalogueConstraint, count: int, done: int) -> float:
    """Seconds of the exact b best choices of some slots at once."""
    beams = beams_at(constraint.items, done, any_order=True)
    log_probs = torch.randn(*beams.scores.shape, SLOTS, CODES, device=DEVICE).double().log_softmax(dim=-1)
    masked = (beams.codes == MASK)[..., None]
    log_probs = log_probs.where(masked, -torch.inf)
    answers = Answers(torch.arange(SLOTS, device=DEVICE), log_probs, log_probs, constraint.at([], ALL))
    stage = SeveralSlots(ALL, count, done)
    stage.candidates(beams, answers, BEAM)
    return seconds(lambda: stage.candidates(beams, answers, BEAM))


def model_pass() -> float:
    """Seconds of one forward pass for all beams, history and all."""
    network = LlamaModel(
        LlamaConfig(
            vocab_size=SLOTS * CODES, hidden_size=128, intermediate_size=341, num_hidden_layers=4, num_attention_heads=4
        )
    ).to(DEVICE)
    head = torch.nn.Linear(128, SLOTS * CODES, device=DEVICE)
    onednn_linear.patch_linears(network)
    inputs = torch.randn(USERS * BEAM, HISTORY + SLOTS, 128, device=DEVICE)
    return seconds(lambda: head(network(inputs_embeds=inputs).last_hidden_state[:, -SLOTS:]).log_softmax(dim=-1))


def line(n_items: int, model: float) -> str:
    """All numbers of one catalogue; `model`: seconds of a pass."""
    constraint = CatalogueConstraint(catalogue(n_items), (CODES,) * SLOTS)
    free = constraint.at([], ALL)
    states = [beams_at(constraint.items, step, any_order=True).codes for step in range(SLOTS)]
    build = seconds(lambda: free.allowed(states[0]), repeats=1)
    n_bytes = constraint.n_bytes
    any_order = max(seconds(partial(free.allowed, codes)) for codes in states)
    left = []
    for step in range(SLOTS):
        codes, reach = beams_at(constraint.items, step, any_order=False).codes, constraint.at(range(step), [step])
        reach.allowed(codes)
        left.append(seconds(partial(reach.allowed, codes)))
    joints = [joint(constraint, 2, 0), joint(constraint, 2, 2), joint(constraint, 4, 0)]
    cells = [f"{number / model:.2f}" for number in (any_order, max(left), *joints)]
    memory = [f"{count / 1e6:.1f}" for count in (n_bytes, constraint.n_bytes)]
    return " | ".join([f"{n_items:,}", f"{build:.2f}", memory[0], *cells, memory[1]])


def main() -> None:
    """One line a size of the catalogue."""
    model = model_pass()
    print(f"{DEVICE}, {torch.get_num_threads()} threads, {USERS} users x {BEAM} beams; a pass: {1000 * model:.0f} ms")
    print("items | build s | MB | any order | left to right | joint 2, step 1 | joint 2, step 2 | joint 4 | MB")
    for n_items in map(int, sys.argv[1:] or ["1000", "10000", "100000", "1000000"]):
        print(line(n_items, model), flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
