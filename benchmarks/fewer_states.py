"""What ways of choosing the items that `rank-items` scores find, and how many states each takes.

    python benchmarks/fewer_states.py --runs-dir runs --users 200

The model is a `llada` whose fitted model is in the run store (`mrbench migrate results/fits` puts some there). The
items with the 60 best first scores, and the results of a beam of 50 of `adaptive` on the catalogue, are scored in all
sets of revealed codes, for users of the validation split, with their histories excluded. What any way of choosing would
score, and which states that takes, is then only counted. For each way it prints, as means over users,

* states: distinct states, the one pass included, without padding; beams whose results are not scored are not counted;
* kept: how many of the ten best of all these items are among its ten;
* lost: the probability of these ten that its ten lack, as a share;
* HR@10, NDCG@10.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor

from mindrec_bench.core.dataset import Examples
from mindrec_bench.experiment.batch_decoder import Meter
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.context import RunContext
from mindrec_decoders.adaptive import Adaptive
from mindrec_decoders.search.catalogue_items import CatalogueItems
from mindrec_decoders.search.distinct_states import distinct_states, mask_slots
from mindrec_decoders.search.item_scores import ItemScorer, RevealedSet
from mindrec_decoders.search.one_pass import one_pass
from mindrec_decoders.search.scores import stable_topk

SHORTLIST, WIDE, K = 60, 50, 10
NOTHING: RevealedSet = frozenset()


@dataclass(frozen=True, eq=False)
class Candidates:
    """The items of a batch that are scored in all sets, the shortlist first, then what the beams add.

    Attributes:
        codes: -1 for the padding. Shape: (B, P, T)
        beams: each item's rank among the results of the wide beam, `WIDE` where it is none. Shape: (B, P)
        is_target: Shape: (B, P), bool
        log_probs: see `ItemScorer.log_probs`.
        sizes: vocabulary size of each slot.
    """

    codes: Tensor
    beams: Tensor
    is_target: Tensor
    log_probs: dict[RevealedSet, Tensor]
    sizes: tuple[int, ...]

    @property
    def valid(self) -> Tensor:
        """Shape: (B, P), bool"""
        return self.codes[:, :, 0] >= 0

    @property
    def first(self) -> Tensor:
        """Rank by first scores, `SHORTLIST` for the others. Shape: (B, P)"""
        return torch.arange(self.codes.shape[1]).clamp(max=SHORTLIST).expand(self.codes.shape[:2])

    def score(self, depth: int) -> Tensor:
        """log f({}), the codes independent of each other once `depth` are revealed. Shape: (B, P)"""
        n_slots = self.codes.shape[2]

        def f(revealed: RevealedSet) -> Tensor:
            slots = [slot for slot in range(n_slots) if slot not in revealed]
            terms = self.log_probs[revealed]
            if len(revealed) >= depth:
                return terms.sum(dim=2)
            if len(slots) == 1:
                return terms[:, :, 0]
            behind = torch.stack([f(revealed | {slot}) for slot in slots], dim=2)
            return (terms + behind).logsumexp(dim=2) - math.log(len(slots))

        return f(NOTHING).masked_fill(~self.valid, -torch.inf)

    def pair_bound(self) -> Tensor:
        """log of the mean over ordered pairs of p(x_i) p(x_j | x_i). Shape: (B, P)"""
        slots = range(self.codes.shape[2])
        pairs = [self.log_probs[NOTHING][:, :, [slot]] + self.log_probs[frozenset({slot})] for slot in slots]
        bound = torch.cat(pairs, dim=2)
        return (bound.logsumexp(dim=2) - math.log(bound.shape[2])).masked_fill(~self.valid, -torch.inf)

    def states(self, *levels: Tensor) -> Tensor:
        """Distinct states where items `levels[n]` are asked about with n + 1 codes revealed. (B, P) -> (B,)"""
        slots, total = range(self.codes.shape[2]), torch.ones(len(self.codes), dtype=torch.int64)
        for count, chosen in enumerate(levels, start=1):
            for revealed in combinations(slots, count):
                states = mask_slots(self.codes.clamp(min=0), set(slots) - set(revealed))
                states = states.masked_fill(~(chosen & self.valid)[..., None], -1)
                has_none = (~(chosen & self.valid)).any(dim=1)
                total += distinct_states(states, self.sizes).counts - has_none.long()
        return total


def rank(scores: Tensor) -> Tensor:
    """0 for the best. Shape: (B, P)"""
    return scores.argsort(dim=1, descending=True, stable=True).argsort(dim=1)


def ways(c: Candidates) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
    """Name, which items are scored, by what they are ranked, and states of each user."""
    exact, one, two = c.score(4), c.score(1), c.score(2)
    for size in (10, 20, 40, 60):
        chosen = c.first < size
        yield f"shortlist {size}", chosen, exact, c.states(chosen, chosen, chosen)
    short = c.first < SHORTLIST
    yield "shortlist 60, one code revealed", short, one, c.states(short)
    yield "shortlist 60, two codes revealed", short, two, c.states(short, short)
    by_one = rank(one.masked_fill(~short, -torch.inf))
    for size in (10, 15, 20, 30):
        chosen = by_one < size
        yield f"shortlist 60, finalists {size}", chosen, exact, c.states(short, chosen, chosen)
    chosen = by_one < 20
    last = rank(two.masked_fill(~chosen, -torch.inf)) < 12
    yield "shortlist 60, finalists 20, then 12", last, exact, c.states(short, chosen, last)
    for beam in (10, 20, 50):
        chosen = c.beams < beam
        yield f"beams, first {beam}", chosen, exact, c.states(chosen, chosen, chosen)
    for beam in (10, 20):
        chosen = (c.beams < beam) | (c.first < 20)
        yield f"beams, first {beam}, and shortlist 20", chosen, exact, c.states(chosen, chosen, chosen)
    start = by_one < K
    threshold = exact.masked_fill(~start, -torch.inf).topk(K, dim=1).values[:, -1:]
    chosen = start | (short & (c.pair_bound() >= threshold))
    yield "shortlist 60, less what the pair bound excludes", chosen, exact, c.states(short, chosen, chosen)
    for name, order in (("first score", c.first), ("one code revealed", by_one)):
        chosen = order < grown_size(exact, order)[:, None]
        asked_once = chosen if order is c.first else short
        yield f"grown by 5, by {name}", chosen, exact, c.states(asked_once, chosen, chosen)


def grown_size(exact: Tensor, order: Tensor) -> Tensor:
    """How many items are scored until five more change nothing in the ten best. Shapes: (B, P), (B, P) -> (B,)"""
    size = torch.full((len(exact),), SHORTLIST)
    is_done, best = torch.zeros(len(exact), dtype=torch.bool), None
    for count in range(K, SHORTLIST + 1, 5):
        top = stable_topk(exact.masked_fill(order >= count, -torch.inf), K)
        if best is not None:
            stays = (top == best).all(dim=1) & ~is_done
            size, is_done = size.where(~stays, count), is_done | stays
        best = top
    return size


def collect(context: RunContext, batch_size: int) -> Iterator[Candidates]:
    """The candidates of all users, in batches."""
    model = context.load_model(context.model_folder.weights_id())
    batch_decoder = replace(context.batch_decoder(model, beam=WIDE), decoder=Adaptive())
    for first in range(0, len(context.examples), batch_size):
        rows = slice(first, first + batch_size)
        batch = Examples(context.examples.histories[rows], context.examples.targets[rows])
        denoiser, canvas, wide = batch_decoder.decode_batch(batch, Meter())
        catalogue, scorer = CatalogueItems.of(canvas), ItemScorer(denoiser, canvas)
        short = stable_topk(one_pass(scorer, catalogue, SHORTLIST).scores, SHORTLIST)
        codes = torch.cat([catalogue.codes[short], wide.codes], dim=1)
        distinct = distinct_states(codes, canvas.sizes)
        is_result = (codes[:, :, None] == wide.codes[:, None]).all(dim=3)
        beams = torch.where(is_result.any(dim=2), is_result.byte().argmax(dim=2), WIDE)
        codes = codes.masked_fill(~distinct.is_first[..., None], -1)
        target = canvas.items[torch.as_tensor(batch.targets)]
        is_target = (codes == target[:, None]).all(dim=2)
        yield Candidates(codes, beams, is_target, scorer.log_probs(codes, scorer.plan), canvas.sizes)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llada:batch=1024,lr=3e-3,epochs=60")
    parser.add_argument("--data", default="instruments")
    parser.add_argument("--size", default="small")
    parser.add_argument("--max-minutes", type=float, default=3.3)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--users", type=int, default=200, help="decode the first so many")
    parser.add_argument("--batch-size", type=int, default=50)
    options = parser.parse_args()
    config = ExperimentConfig(
        options.model,
        "adaptive",
        data=options.data,
        size=options.size,
        max_minutes=options.max_minutes,
        users=None,
        eval_users=options.users,
        split="valid",
        categories="none",
        constrain="catalogue",
        exclude_history=True,
    )
    context = RunContext.create(config, ExecutionOptions(runs_dir=options.runs_dir))
    if not context.model_folder.is_done():
        raise SystemExit(f"{options.runs_dir} holds no fitted model for these options; train it by `mrbench fit`")
    torch.set_num_threads(1)
    columns: dict[str, list[Tensor]] = {}
    for candidates in collect(context, options.batch_size):
        exact = candidates.score(4)
        best = rank(exact) < K
        for name, chosen, score, states in ways(candidates):
            place = rank(score.masked_fill(~chosen, -torch.inf))
            found = (place < K) & chosen & candidates.valid
            hit = found & candidates.is_target
            lost = 1 - (exact.exp() * found).sum(dim=1) / (exact.exp() * best).sum(dim=1)
            gain = (hit / (place + 2.0).log2()).sum(dim=1)
            row = [states, (found & best).sum(dim=1), lost, hit.sum(dim=1), gain]
            columns.setdefault(name, []).append(torch.stack([value.double() for value in row], dim=1))
    print(f"{options.users} users of {options.data}\n{'':48} {'states':>7} {'kept':>5} {'lost':>6} HR@10 NDCG@10")
    for name, rows in columns.items():
        states, kept, lost, hit, gain = torch.cat(rows).mean(dim=0).tolist()
        print(f"{name:48} {states:7.0f} {kept:5.2f} {lost:6.1%} {hit:.4f} {gain:.4f}")


if __name__ == "__main__":
    main()
