"""Time of `ar-beam` with the catalogue constraint, compared with `generate` of transformers and a Python prefix tree.

Run `python benchmarks/autoregressive.py`. The network is `llama3` small with random weights; `generate` runs the same
blocks with a head, a beam search of the same width, its own cache, and `prefix_allowed_tokens_fn` over a dictionary of
prefixes. Both run in turn; it prints the median milliseconds of CPU time per user, the median ratio, the share of
users whose rankings have equal codes, and the largest difference of the scores.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from mindrec_baselines.code_lm.causal_lm import CausalCodeLM
from mindrec_baselines.llama3 import Llama3
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.constraint import CatalogueConstraint
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Canvas
from mindrec_bench.testing import make_canvas
from mindrec_decoders.ar_beam import ArBeam

HISTORY, SLOTS, CODES = 10, 4, 256

CodesAndScores = tuple[Tensor, Tensor]
"""Codes (B, b, T) and scores (B, b)."""


def with_head(network: CausalCodeLM) -> LlamaForCausalLM:
    """A model of transformers with the weights and the vocabulary of the network."""
    options = {**network.blocks.config.to_dict(), "vocab_size": network.vocab_size, "tie_word_embeddings": True}
    model = LlamaForCausalLM(LlamaConfig(**options))
    model.model.load_state_dict(network.blocks.state_dict(), strict=False)
    model.model.embed_tokens.weight.data.copy_(network.embedding.weight[:-1])
    return model.eval()


def prefix_tree(space: CodeSpace) -> dict[tuple[int, ...], list[int]]:
    """Prefix -> the tokens that continue it in some item."""
    continuations: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for item in (space.item_codes + np.asarray(space.offsets[:-1])).tolist():
        for slot in range(space.n_slots):
            continuations[tuple(item[:slot])].add(item[slot])
    return {prefix: sorted(tokens) for prefix, tokens in continuations.items()}


def transformers_search(network: CausalCodeLM, histories: Histories, beam: int) -> Callable[[], CodesAndScores]:
    """Beam search by `generate`."""
    model, tree = with_head(network), prefix_tree(network.space)
    offsets = torch.tensor(network.space.offsets[:-1])

    def run() -> CodesAndScores:
        inputs, attention_mask = network.embed_prompt(torch.from_numpy(histories.items))
        output = model.generate(
            inputs_embeds=inputs,
            attention_mask=attention_mask.long(),
            num_beams=beam,
            num_return_sequences=beam,
            do_sample=False,
            max_new_tokens=SLOTS,
            length_penalty=0.0,
            early_stopping=False,
            prefix_allowed_tokens_fn=lambda user, sequence: tree[tuple(sequence.tolist())],
            output_scores=True,
            return_dict_in_generate=True,
        )
        codes = output.sequences.unflatten(0, (-1, beam)) - offsets
        return codes, output.sequences_scores.unflatten(0, (-1, beam)).double()

    return run


def toolkit_search(
    network: CausalCodeLM, histories: Histories, beam: int, canvas: Canvas
) -> Callable[[], CodesAndScores]:
    """`ar-beam`; the tables of the constraint are built once, as in a run."""

    def run() -> CodesAndScores:
        ranking = ArBeam().decode(network.begin(histories, tuple(range(SLOTS))), canvas, beam=beam)
        return ranking.codes, ranking.scores

    return run


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--beam", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    rng = np.random.default_rng(0)
    space = CodeSpace.build(rng.integers(0, CODES, size=(arguments.items, SLOTS)))
    torch.manual_seed(0)
    network = Llama3().build_network(space, "small", 0.0).requires_grad_(False).eval()
    for parameter in network.blocks.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.12)
    histories = Histories(rng.integers(0, arguments.items, size=(arguments.users, HISTORY)), np.arange(arguments.users))
    canvas = make_canvas(space, histories.users, catalogue=True)
    assert isinstance(canvas.constraint, CatalogueConstraint)
    searches = {
        "generate": transformers_search(network, histories, arguments.beam),
        "ours": toolkit_search(network, histories, arguments.beam, canvas),
    }
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    results: dict[str, CodesAndScores] = {}
    for repeat in range(arguments.repeats + 1):
        for name, run in searches.items():
            start = time.thread_time()
            results[name] = run()
            if repeat:
                seconds[name].append(time.thread_time() - start)
    ratio = median(np.divide(seconds["generate"], seconds["ours"]).tolist())
    milliseconds = [1e3 * median(seconds[name]) / arguments.users for name in searches]
    (codes, scores), (our_codes, our_scores) = results["generate"], results["ours"]
    equal = (codes == our_codes).all(dim=-1).all(dim=-1).float().mean()
    print(f"{arguments.users} users, beam {arguments.beam}, {arguments.items:,} items")
    print("generate ms  ours ms  ratio  equal  scores differ by")
    gap = float((scores - our_scores).abs().max())
    print(f"{milliseconds[0]:11.2f} {milliseconds[1]:8.2f} {ratio:6.2f} {100 * equal:5.1f}% {gap:17.1e}")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
