"""The decoder contract, checked on small problems."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..core.code_space import MASK, CodeSpace, Int
from ..core.dataset import Histories
from ..core.exclusion import seen_items
from ..core.lifting import adapt
from ..core.protocols import Canvas, Capability, Decoder, Model, Ranking
from ..plugins.registry import can_answer, served_capability
from .assertions import require
from .models import TabularDenoiser, catalogue_model, make_canvas, random_space


@dataclass(frozen=True, eq=False)
class DecodingProblem:
    """A small problem to decode.

    Attributes:
        name: describes the problem in messages.
        space: the slots and the catalogue.
        model: a model that ignores histories.
        capability: capability of the model's contexts.
        start: given codes of each user, or None. Shape: (U, T)
        catalogue: only codes that keep an item reachable are allowed.
        excluded: each user's items that are never results, as in `make_canvas`. Shape: (U, H)
    """

    name: str
    space: CodeSpace
    model: Model
    capability: Capability
    start: Int | None = None
    catalogue: bool = False
    excluded: Int | None = None

    def canvas(self, users: Int, *, seed: int = 42, capability: Capability = "denoiser") -> Canvas:
        """The canvas of these users, for contexts of a capability."""
        start = None if self.start is None else self.start[users]
        excluded = None if self.excluded is None else self.excluded[users]
        return make_canvas(
            self.space,
            users,
            start=start,
            seed=seed,
            catalogue=self.catalogue,
            excluded=excluded,
            capability=capability,
        )

    def decode(self, decoder: Decoder, users: Int, *, beam: int, seed: int = 42) -> Ranking:
        """Run a decoder for these users, with the model adapted to what the decoder needs."""
        capability = served_capability(self.capability, decoder.needs)
        if capability is None:
            raise ValueError(f"a model of capability {self.capability} can't answer what the decoder needs")
        model = adapt(self.model, self.capability, capability, self.space)
        histories = Histories(np.full((len(users), 1), -1), users)
        context = model.begin(histories, tuple(range(self.space.n_slots)))
        return decoder.decode(context, self.canvas(users, seed=seed, capability=capability), beam=beam)


def check_decoder(decoder: Decoder) -> None:
    """Check the decoder contract: shapes, order, padding, given slots, constraint, exclusion, determinism, batches.

    Raises:
        AssertionError: says which rule is broken, and on which problem.
    """
    users = np.arange(5)
    alone = itertools.cycle(users)
    for problem in _problems(len(users)):
        if not can_answer(problem.capability, decoder.needs):
            continue
        for beam in (1, 3, 10):
            where = f"{type(decoder).__name__} on {problem.name}, beam {beam}"
            ranking = problem.decode(decoder, users, beam=beam)
            check_ranking(ranking, problem.canvas(users), beam=beam, where=where)
            repeated = problem.decode(decoder, users, beam=beam)
            _check_equal(ranking, repeated, f"{where}: a second call gives another ranking")
            order = np.array([3, 0, 4, 1, 2])
            reordered = problem.decode(decoder, order, beam=beam)
            _check_equal(_select(ranking, order), reordered, f"{where}: the ranking depends on the order of the users")
            user = users[[next(alone)]]
            message = f"{where}: the ranking of user {user[0]} alone differs from that in a batch"
            _check_equal(_select(ranking, user), problem.decode(decoder, user, beam=beam), message)


def check_ranking(ranking: Ranking, canvas: Canvas, *, beam: int, where: str = "ranking") -> None:
    """Check a ranking: shapes, dtypes, order, padding, unchanged given slots, the constraint and the exclusion.

    Raises:
        AssertionError: says which rule is broken, after `where`.
    """
    n_users, n_slots = canvas.start.shape
    codes, scores, lengths = ranking.codes, ranking.scores, ranking.lengths
    require(codes.shape == (n_users, beam, n_slots), f"{where}: codes have shape {tuple(codes.shape)}")
    require(scores.shape == (n_users, beam), f"{where}: scores have shape {tuple(scores.shape)}")
    require(lengths.shape == (n_users,), f"{where}: lengths have shape {tuple(lengths.shape)}")
    require(codes.dtype == lengths.dtype == torch.int64, f"{where}: codes or lengths are not int64")
    require(scores.dtype == torch.float64, f"{where}: scores are not float64")
    valid = torch.arange(beam) < lengths[:, None]
    finite = bool((scores.isfinite() == valid).all())
    require(finite, f"{where}: scores are not finite for all results and only for these")
    in_slot = ((codes >= 0) & (codes < torch.tensor(canvas.sizes))).all(dim=2)
    require(bool((in_slot == valid).all()), f"{where}: a result has a code that is missing or outside its slot")
    require(bool((codes[~valid] == MASK).all()), f"{where}: the padding contains codes")
    falling = scores[:, :-1] - scores[:, 1:] > -1e-8
    require(bool((falling | ~valid[:, 1:]).all()), f"{where}: scores are not in falling order")
    unchanged = (canvas.start[:, None] == MASK) | (codes == canvas.start[:, None])
    require(bool((unchanged.all(dim=2) | ~valid).all()), f"{where}: a given slot was changed")
    if canvas.constraint is not None:
        is_item = (codes[:, :, None] == canvas.items).all(dim=3).any(dim=2)
        require(bool((is_item | ~valid).all()), f"{where}: a result is not a catalogue item")
    if canvas.excluded is not None:
        require(not bool(canvas.excluded.contain(codes).any()), f"{where}: an excluded item is a result")
    if ranking.items is not None:
        require(ranking.items.shape == (n_users, beam), f"{where}: items have shape {tuple(ranking.items.shape)}")
        matching = (canvas.items[ranking.items.clamp(min=0)] == codes).all(dim=2) & (ranking.items >= 0)
        require(bool((matching == valid).all()), f"{where}: items and codes do not match")


def _problems(n_users: int) -> Iterator[DecodingProblem]:
    """Problems that reach all paths of a decoder: categories, given slots, impossible codes, few items, exclusion."""
    tabular_problems: list[DecodingProblem] = []
    excluding: list[DecodingProblem] = []
    for n_categories, sizes in ((0, (3, 4, 2, 3)), (2, (2, 3, 3, 2, 4))):
        space = random_space(sizes, 12, n_categories=n_categories, seed=1)
        probs = np.random.default_rng(2).exponential(size=(n_users, 12)) ** 2
        tabular = TabularDenoiser.random(sizes, users=n_users, seed=3, impossible=0.3)
        start = np.full((n_users, len(sizes)), MASK)
        start[:, :n_categories] = space.item_codes[:n_users, :n_categories]
        name = f"{n_categories} categories"
        excluded = seen_items(Histories(np.argsort(probs)[:, ::-1][:, :4], np.arange(n_users)), space.sid_index)
        lifted = DecodingProblem(f"a catalogue, {name}", space, catalogue_model(probs), "items")
        tabular_problems.append(DecodingProblem(f"random tables, {name}", space, tabular, "denoiser"))
        yield from (lifted, tabular_problems[-1])
        excluding += [replace(problem, excluded=excluded) for problem in (lifted, tabular_problems[-1])]
        if n_categories:
            yield DecodingProblem(f"a catalogue, {name} given", space, catalogue_model(probs), "items", start)
            tabular_problems.append(DecodingProblem(f"random tables, {name} given", space, tabular, "denoiser", start))
            yield tabular_problems[-1]
    equal = catalogue_model(np.ones((n_users, 4)))
    yield DecodingProblem("4 items of equal probability", random_space((2, 2), 4, seed=4), equal, "items")
    for problem in tabular_problems:
        yield replace(problem, name=f"{problem.name}, catalogue constraint", catalogue=True)
    for problem in excluding:
        yield replace(problem, name=f"{problem.name}, items excluded")


def _select(ranking: Ranking, users: Int) -> Ranking:
    rows = torch.from_numpy(users)
    items = None if ranking.items is None else ranking.items[rows]
    return Ranking(ranking.codes[rows], ranking.scores[rows], ranking.lengths[rows], items)


def _check_equal(first: Ranking, second: Ranking, message: str) -> None:
    close = torch.allclose(first.scores, second.scores, rtol=0, atol=1e-9)
    require(close and torch.equal(first.codes, second.codes) and torch.equal(first.lengths, second.lengths), message)
    if first.items is not None and second.items is not None:
        require(torch.equal(first.items, second.items), message)
