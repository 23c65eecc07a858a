"""Time the catalogue constraint, step by step, as a share of one forward pass of a small model over the same beams.

Run `python benchmarks/constraint.py` (10^3 to 10^6 items; or name the sizes). Catalogues are random: 4 SID slots of 256
codes, code c with a frequency proportional to 1 / (c + 10). For 128 users with 10 beams each it prints, for each size

* build s, MB: seconds and memory of the tables for any order (built once per run); the last MB has all tables;
* any order / left to right: the slowest of the 4 steps;
* joint 2, joint 4: the exact b best choices of 2 slots (first and second step) and of 4 slots at once.

Steps are shares of one pass of the network of `llada` at `small`, 4 layers x 128, over the 10 history items and the 4
slots of all beams; the first line says how many milliseconds that pass takes. Times are CPU times where there is no
GPU, so that other load of the machine matters little.
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

from mindrec_baselines.common.onednn_linear import patch_linears
from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.constraint import CatalogueConstraint
from mindrec_decoders.search.expansion import Hypotheses, StageScores
from mindrec_decoders.search.joint_expansion import RevealJointly

USERS, BEAM, SLOTS, CODES, HISTORY = 128, 10, 4, 256, 10
ALL_SLOTS = tuple(range(SLOTS))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def best_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The time of the quickest of some runs."""
    now = time.perf_counter if DEVICE == "cuda" else time.process_time
    times = []
    for _ in range(repeats):
        start = now()
        work()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        times.append(now() - start)
    return min(times)


def random_catalogue(n_items: int) -> Tensor:
    """Code indices of random items. Shape: (N, 4)"""
    weights = 1 / (np.arange(CODES) + 10)
    codes = np.random.default_rng(0).choice(CODES, size=(n_items, SLOTS), p=weights / weights.sum())
    return torch.from_numpy(codes).to(DEVICE)


def random_beams(items: Tensor, n_revealed: int, any_order: bool) -> Hypotheses:
    """Beams with some slots of random items revealed: a random set of slots, or the first ones."""
    rng = np.random.default_rng(n_revealed)
    n_beams = BEAM if n_revealed else 1
    codes = items.cpu().numpy()[rng.integers(len(items), size=(USERS, n_beams))]
    order = rng.random(codes.shape).argsort(axis=2) if any_order else np.broadcast_to(np.arange(SLOTS), codes.shape)
    codes = torch.from_numpy(np.where(order < n_revealed, codes, MASK)).to(DEVICE)
    return Hypotheses(codes, torch.zeros(codes.shape[:2], dtype=torch.float64, device=DEVICE))


def joint_seconds(constraint: CatalogueConstraint, count: int, n_revealed: int) -> float:
    """Seconds of the exact b best choices of `count` slots at once."""
    beams = random_beams(constraint.items, n_revealed, any_order=True)
    log_probs = torch.randn(*beams.scores.shape, SLOTS, CODES, device=DEVICE).double().log_softmax(dim=-1)
    masked = (beams.codes == MASK)[..., None]
    log_probs = log_probs.where(masked, -torch.inf)
    slots = torch.arange(SLOTS, device=DEVICE)
    stage = StageScores(slots, log_probs, log_probs, constraint.at([], ALL_SLOTS))
    step = RevealJointly(ALL_SLOTS, count, n_revealed)
    step.candidates(beams, stage, BEAM)
    return best_seconds(lambda: step.candidates(beams, stage, BEAM))


def model_pass_seconds() -> float:
    """Seconds of one forward pass for all beams, histories included."""
    network = LlamaModel(
        LlamaConfig(
            vocab_size=SLOTS * CODES, hidden_size=128, intermediate_size=341, num_hidden_layers=4, num_attention_heads=4
        )
    ).to(DEVICE)
    head = torch.nn.Linear(128, SLOTS * CODES, device=DEVICE)
    patch_linears(network)
    inputs = torch.randn(USERS * BEAM, HISTORY + SLOTS, 128, device=DEVICE)
    return best_seconds(lambda: head(network(inputs_embeds=inputs).last_hidden_state[:, -SLOTS:]).log_softmax(dim=-1))


def result_line(n_items: int, pass_seconds: float) -> str:
    """All numbers of one catalogue size."""
    constraint = CatalogueConstraint(random_catalogue(n_items), (CODES,) * SLOTS)
    any_order = constraint.at([], ALL_SLOTS)
    states = [random_beams(constraint.items, step, any_order=True).codes for step in range(SLOTS)]
    build = best_seconds(lambda: any_order.allowed(states[0]), repeats=1)
    any_order_bytes = constraint.n_bytes
    any_order_step = max(best_seconds(partial(any_order.allowed, codes)) for codes in states)
    left_to_right_steps = []
    for step in range(SLOTS):
        codes = random_beams(constraint.items, step, any_order=False).codes
        stage = constraint.at(range(step), [step])
        stage.allowed(codes)
        left_to_right_steps.append(best_seconds(partial(stage.allowed, codes)))
    joint = [joint_seconds(constraint, 2, 0), joint_seconds(constraint, 2, 2), joint_seconds(constraint, 4, 0)]
    shares = [f"{seconds / pass_seconds:.2f}" for seconds in (any_order_step, max(left_to_right_steps), *joint)]
    memory = [f"{n_bytes / 1e6:.1f}" for n_bytes in (any_order_bytes, constraint.n_bytes)]
    return " | ".join([f"{n_items:,}", f"{build:.2f}", memory[0], *shares, memory[1]])


def main() -> None:
    """Print one line per catalogue size."""
    pass_seconds = model_pass_seconds()
    setting = f"{DEVICE}, {torch.get_num_threads()} threads, {USERS} users x {BEAM} beams"
    print(f"{setting}; a pass: {1e3 * pass_seconds:.0f} ms")
    print("items | build s | MB | any order | left to right | joint 2, step 1 | joint 2, step 2 | joint 4 | MB")
    for n_items in map(int, sys.argv[1:] or ["1000", "10000", "100000", "1000000"]):
        print(result_line(n_items, pass_seconds), flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
