"""What every decoder owes, checked on small problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..core.code_space import MASK, CodeSpace, Int
from ..core.dataset import Histories
from ..core.lifting import adapt
from ..core.protocols import Canvas, Capability, Decoder, Model, Ranking
from ..plugins.registry import fits
from .models import TabularDenoiser, catalogue_model, make_canvas, random_space
from .rules import require


@dataclass(frozen=True, eq=False)
class Case:
    """A small problem to decode.

    Attributes:
        name: said in messages.
        space: the slots and the catalogue.
        model: a model that ignores histories.
        capability: what its contexts answer.
        start: what is given to each user, or None. Shape: (U, T)
        catalogue: only codes that keep an item reachable are allowed.
    """

    name: str
    space: CodeSpace
    model: Model
    capability: Capability
    start: Int | None = None
    catalogue: bool = False

    def canvas(self, users: Int, *, seed: int = 42) -> Canvas:
        """The canvas of these users."""
        start = None if self.start is None else self.start[users]
        return make_canvas(self.space, users, start=start, seed=seed, catalogue=self.catalogue)

    def decode(self, decoder: Decoder, users: Int, *, beam: int, seed: int = 42) -> Ranking:
        """Run a decoder for these users, the model adapted to its needs."""
        model = adapt(self.model, self.capability, decoder.needs, self.space)
        histories = Histories(np.full((len(users), 1), -1), users)
        context = model.begin(histories, tuple(range(self.space.n_slots)))
        return decoder.decode(context, self.canvas(users, seed=seed), beam=beam)


def check_decoder(decoder: Decoder) -> None:
    """Check what every decoder owes: shapes, order, padding, given slots, constraint, determinism, batch invariance.

    Raises:
        AssertionError: names what is broken, and on which case.
    """
    users = np.arange(5)
    for case in _cases(len(users)):
        if not fits(case.capability, decoder.needs):
            continue
        for beam in (1, 3, 10):
            where = f"{type(decoder).__name__} on {case.name}, beam {beam}"
            whole = case.decode(decoder, users, beam=beam)
            check_ranking(whole, case.canvas(users), beam=beam, where=where)
            _check_same(whole, case.decode(decoder, users, beam=beam), f"{where}: a second call differs")
            order = np.array([3, 0, 4, 1, 2])
            mixed = case.decode(decoder, order, beam=beam)
            _check_same(_rows(whole, order), mixed, f"{where}: the order of the users matters")
            for user in users:
                alone = case.decode(decoder, users[[user]], beam=beam)
                _check_same(_rows(whole, users[[user]]), alone, f"{where}: user {user} alone differs from a batch")


def check_ranking(ranking: Ranking, canvas: Canvas, *, beam: int, where: str = "ranking") -> None:
    """Check a ranking's shapes, dtypes, order and padding, that given slots stayed, and that a constraint was kept.

    Raises:
        AssertionError: names what is broken, after `where`.
    """
    n_users, n_slots = canvas.start.shape
    codes, scores, lengths = ranking.codes, ranking.scores, ranking.lengths
    require(codes.shape == (n_users, beam, n_slots), f"{where}: codes have shape {tuple(codes.shape)}")
    require(scores.shape == (n_users, beam), f"{where}: scores have shape {tuple(scores.shape)}")
    require(lengths.shape == (n_users,), f"{where}: lengths have shape {tuple(lengths.shape)}")
    require(codes.dtype == lengths.dtype == torch.int64, f"{where}: codes or lengths are not int64")
    require(scores.dtype == torch.float64, f"{where}: scores are not float64")
    valid = torch.arange(beam) < lengths[:, None]
    require(bool((scores.isfinite() == valid).all()), f"{where}: scores are not finite just where there is a result")
    fits_slot = ((codes >= 0) & (codes < torch.tensor(canvas.sizes))).all(dim=2)
    require(bool((fits_slot == valid).all()), f"{where}: codes are not all set, within their slots, in every result")
    require(bool((codes[~valid] == MASK).all()), f"{where}: padding holds codes")
    falls = scores[:, :-1] - scores[:, 1:] > -1e-8
    require(bool((falls | ~valid[:, 1:]).all()), f"{where}: scores do not fall")
    kept = (canvas.start[:, None] == MASK) | (codes == canvas.start[:, None])
    require(bool((kept.all(dim=2) | ~valid).all()), f"{where}: a given slot was changed")
    if canvas.constraint is not None:
        real = (codes[:, :, None] == canvas.items).all(dim=3).any(dim=2)
        require(bool((real | ~valid).all()), f"{where}: a result is no catalogue item")
    if ranking.items is not None:
        require(ranking.items.shape == (n_users, beam), f"{where}: items have shape {tuple(ranking.items.shape)}")
        same = (canvas.items[ranking.items.clamp(min=0)] == codes).all(dim=2) & (ranking.items >= 0)
        require(bool((same == valid).all()), f"{where}: items and codes do not belong together")


def _cases(users: int) -> Iterator[Case]:
    """Small problems over all that changes a decoder's path: categories, given slots, impossible codes, few items."""
    tables: list[Case] = []
    for n_categories, sizes in ((0, (3, 4, 2, 3)), (2, (2, 3, 3, 2, 4))):
        space = random_space(sizes, 12, n_categories=n_categories, seed=1)
        probs = np.random.default_rng(2).exponential(size=(users, 12)) ** 2
        tabular = TabularDenoiser.random(sizes, users=users, seed=3, impossible=0.3)
        start = np.full((users, len(sizes)), MASK)
        start[:, :n_categories] = space.item_codes[:users, :n_categories]
        name = f"{n_categories} categories"
        yield Case(f"a catalogue, {name}", space, catalogue_model(probs), "items")
        tables.append(Case(f"random tables, {name}", space, tabular, "denoiser"))
        yield tables[-1]
        if n_categories:
            yield Case(f"a catalogue, {name} given", space, catalogue_model(probs), "items", start)
            tables.append(Case(f"random tables, {name} given", space, tabular, "denoiser", start))
            yield tables[-1]
    equal = np.ones((users, 4))
    yield Case("4 items of equal probability", random_space((2, 2), 4, seed=4), catalogue_model(equal), "items")
    yield from (replace(case, name=f"{case.name}, catalogue constraint", catalogue=True) for case in tables)


def _rows(ranking: Ranking, rows: Int) -> Ranking:
    at = torch.from_numpy(rows)
    items = None if ranking.items is None else ranking.items[at]
    return Ranking(ranking.codes[at], ranking.scores[at], ranking.lengths[at], items)


def _check_same(one: Ranking, other: Ranking, message: str) -> None:
    close = torch.allclose(one.scores, other.scores, rtol=0, atol=1e-9)
    require(close and torch.equal(one.codes, other.codes) and torch.equal(one.lengths, other.lengths), message)
    if one.items is not None and other.items is not None:
        require(torch.equal(one.items, other.items), message)
