"""The catalogue constraint against enumeration: single codes, prefixes, joint choices, and whole decoders."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from mindrec_bench.core import constraint
from mindrec_bench.core.code_space import MASK, CodeSpace
from mindrec_bench.core.constraint import CatalogueConstraint
from mindrec_bench.core.dataset import Examples, Histories
from mindrec_bench.core.exclusion import seen_items
from mindrec_bench.errors import DataError
from mindrec_bench.experiment.batch_decoder import BatchDecoder, Meter
from mindrec_bench.plugins import registry
from mindrec_bench.testing import (
    DecodingProblem,
    TabularContext,
    TabularDenoiser,
    catalogue_model,
    make_canvas,
    random_space,
)


@st.composite
def catalogues(draw: st.DrawFn) -> CodeSpace:
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    return random_space(sizes, draw(st.integers(4, 12)), seed=draw(st.integers(0, 2**32 - 1)))


def constraint_of(space: CodeSpace) -> CatalogueConstraint:
    return CatalogueConstraint(torch.from_numpy(space.item_codes), space.sizes)


def matches(state: tuple[int, ...], item: tuple[int, ...]) -> bool:
    return all(s in (MASK, c) for s, c in zip(state, item, strict=True))


def items_of(space: CodeSpace) -> list[tuple[int, ...]]:
    return [tuple(codes) for codes in space.item_codes.tolist()]


def states_of(space: CodeSpace) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(MASK, size) for size in space.sizes)))


@given(space=catalogues())
def test_every_state_in_any_order(space):
    states, slots = states_of(space), range(len(space.sizes))
    allowed = constraint_of(space).at([], slots).allowed(torch.tensor(states)[None])
    assert allowed.shape == (1, len(states), len(slots), max(space.sizes))
    for state, rows in zip(states, allowed[0].tolist(), strict=True):
        for slot in slots:
            if state[slot] == MASK:
                expected = {item[slot] for item in items_of(space) if matches(state, item)}
                assert {code for code, yes in enumerate(rows[slot]) if yes} == expected


@given(space=catalogues(), seed=st.integers(0, 2**32 - 1))
def test_any_split_into_revealed_open_and_later_slots(space, seed):
    """What is known of the stage makes the tables smaller and changes no result."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, size=len(space.sizes))
    revealed, open_slots = np.flatnonzero(kinds == 0).tolist(), np.flatnonzero(kinds == 1).tolist()
    if not open_slots:
        return
    states = [
        state
        for state in states_of(space)
        if all(state[slot] != MASK for slot in revealed)
        and all(state[slot] == MASK for slot in np.flatnonzero(kinds == 2))
    ]
    codes = torch.tensor(states)[None]
    stage = constraint_of(space).at(revealed, open_slots)
    any_stage = constraint_of(space).at([], range(len(space.sizes)))
    masked = codes[..., open_slots] == MASK
    assert torch.equal(stage.allowed(codes)[masked], any_stage.allowed(codes)[:, :, open_slots][masked])


@given(space=catalogues())
def test_left_to_right_it_is_a_prefix_tree(space):
    tree: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for item in items_of(space):
        for slot, code in enumerate(item):
            tree[item[:slot]].add(code)
    n_slots, tree_constraint = len(space.sizes), constraint_of(space)
    for slot in range(n_slots):
        prefixes = list(itertools.product(*(range(size) for size in space.sizes[:slot])))
        codes = torch.tensor([(*prefix, *(MASK,) * (n_slots - slot)) for prefix in prefixes])[None]
        allowed = tree_constraint.at(range(slot), [slot]).allowed(codes)[0, :, 0]
        children = [set(row.nonzero()[:, 0].tolist()) for row in allowed]
        assert children == [tree.get(prefix, set()) for prefix in prefixes]
    # As many entries as the tree has edges.
    assert tree_constraint.n_bytes == 16 * sum(len(children) for children in tree.values())


def of_beam(column: torch.Tensor | None, beam: int) -> Iterable:
    """What `joint` yields, for one beam."""
    return itertools.repeat(True) if column is None else column[0, beam if column.shape[1] > 1 else 0].tolist()


@pytest.mark.parametrize("chunk_size", [1, 7, 2**20])
@given(space=catalogues(), n=st.integers(1, 4), data=st.data())
def test_joint_choices(chunk_size, space, n, data):
    n_slots = len(space.sizes)
    chosen = tuple(sorted(data.draw(st.permutations(range(n_slots)))[: min(n, n_slots)]))
    n_revealed = data.draw(st.integers(0, n_slots - len(chosen)))
    states = [state for state in states_of(space) if sum(code != MASK for code in state) == n_revealed]
    states += states  # where nothing is revealed there is one state, and all beams share their choices
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constraint, "CHUNK_SIZE", chunk_size)
        chunks = list(constraint_of(space).at([], range(n_slots)).joint(torch.tensor(states)[None], chosen, n_revealed))
    for row, state in enumerate(states):
        choices = [
            choice
            for codes, exists in chunks
            for *choice, choice_exists in zip(
                *(of_beam(column, row) for column in codes), of_beam(exists, row), strict=False
            )
            if choice_exists
        ]
        masked = all(state[slot] == MASK for slot in chosen)
        expected = {tuple(item[slot] for slot in chosen) for item in items_of(space) if matches(state, item)}
        assert choices == [list(choice) for choice in sorted(expected)] * masked


def test_codes_that_no_vocabulary_has_and_dead_ends():
    space = random_space((2, 3), 3, seed=1)
    stage = constraint_of(space).at([0], [1])
    assert not stage.allowed(torch.tensor([[[MASK, MASK]]])).any(), "slot 0 should be revealed, and is not"
    assert stage.allowed(torch.tensor([[[0, MASK]]])).any()


@pytest.mark.parametrize("slots", [9, 20], ids=["slightly", "far"])
def test_states_beyond_63_bits_are_numbered_by_what_the_catalogue_has(slots):
    """Left to right over 256 codes per slot: the same results as a plain search of the catalogue."""
    rng = np.random.default_rng(0)
    items = np.repeat(rng.integers(0, 256, (30, slots)), 4, axis=0)
    for row in range(len(items)):  # prefixes are shared, and diverge at every slot
        items[row, rng.integers(slots) :] = rng.integers(0, 256)
    tree_constraint = CatalogueConstraint(torch.from_numpy(items), (256,) * slots)
    no_items = rng.integers(0, 256, (10, slots))
    no_items[:5, : slots - 2] = items[:5, : slots - 2]
    for slot in range(slots):
        codes = np.full((1, len(items) + 10, slots), MASK)
        codes[0, :, :slot] = np.concatenate([items, no_items])[:, :slot]
        allowed = tree_constraint.at(range(slot), [slot]).allowed(torch.from_numpy(codes))[0, :, 0].numpy()
        for prefix, mask in zip(codes[0, :, :slot], allowed, strict=True):
            expected = items[(items[:, :slot] == prefix).all(axis=1), slot]
            assert mask.nonzero()[0].tolist() == np.unique(expected).tolist()


def test_too_many_codes_are_refused():
    items = torch.zeros(1, 2, dtype=torch.int64)
    with pytest.raises(DataError, match="can't number 1 items with up to 1,099,511,627,776 codes per slot"):
        CatalogueConstraint(items, (2**40, 2**40)).at([0], [1]).allowed(torch.full((1, 1, 2), MASK))


def test_tables_are_built_once():
    catalogue_constraint = constraint_of(random_space((3, 3, 3), 9))
    codes = torch.full((1, 1, 3), MASK)
    catalogue_constraint.at([], [0, 1, 2]).allowed(codes)
    n_bytes = catalogue_constraint.n_bytes
    catalogue_constraint.at([], [2, 1, 0]).allowed(codes)
    assert 0 < catalogue_constraint.n_bytes == n_bytes


SPECS = [
    "bs",
    "dbs-dedup",
    "dbs-penalty",
    "bs:propose=sample",
    "block-m:m=1",
    "block-m:m=2",
    "n-per-step:n=2",
    "n-per-step:n=3",
    "n-per-step:n=4",
    "adaptive",
    "adaptive:rescore=3",
    "adaptive:reverse=yes",
    "ar-beam",
]


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_categories=st.sampled_from([0, 2]),
    beam=st.sampled_from([1, 4, 10]),
    n_seen=st.sampled_from([0, 0, 3, 6]),
)
def test_every_result_is_an_item_and_there_are_as_many_as_can_be(spec, seed, n_categories, beam, n_seen):
    """A search cannot run into a dead end; one that keeps no duplicates returns the beam, or all items."""
    sizes = (2, 2, 3, 3, 2)
    space = random_space(sizes, 8, n_categories=n_categories, seed=seed)
    model = TabularDenoiser.random(sizes, users=3, seed=seed)
    seen = np.random.default_rng(seed).integers(8, size=(3, n_seen))
    excluded = seen_items(Histories(seen, np.arange(3)), space.sid_index)
    case = DecodingProblem("tables", space, model, "denoiser", catalogue=True, excluded=excluded)
    ranking = case.decode(registry.make("decoder", spec)[1], np.arange(3), beam=beam)
    for user, (codes, length) in enumerate(zip(ranking.codes.tolist(), ranking.lengths.tolist(), strict=True)):
        items = {codes for item, codes in enumerate(items_of(space)) if item not in excluded[user]}
        results = [tuple(code) for code in codes[:length]]
        assert set(results) <= items
        assert length > 0 or not items
        if spec in ("block-m:m=1", "adaptive", "ar-beam") and n_categories == 0:
            assert len(set(results)) == length == min(beam, len(items))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("n_categories", [0, 1])
def test_on_a_lifted_model_a_wide_beam_is_brute_force(spec, n_categories):
    """All orders give an item the same score there, and the constraint forbids nothing that has any probability."""
    space = random_space((2, 3, 2, 3), 9, n_categories=n_categories, seed=5)
    probs = np.random.default_rng(6).exponential(size=(1, 9))
    case = DecodingProblem("catalogue", space, catalogue_model(probs), "items", catalogue=True)
    ranking = case.decode(registry.make("decoder", spec)[1], np.array([0]), beam=200)
    mass: dict[tuple[int, ...], float] = defaultdict(float)
    for item, p in zip(items_of(space), (probs / probs.sum())[0], strict=True):
        mass[item] += p
    results = [tuple(codes) for codes in ranking.codes[0, : ranking.lengths[0]].tolist()]
    assert set(results) == set(mass)
    marginal = spec.startswith("n-per-step")  # products of marginals are no joint probability
    if not marginal and spec not in ("dbs-penalty", "block-m:m=1", "block-m:m=2"):
        scores = ranking.scores[0, : len(results)].tolist()
        assert scores == pytest.approx([math.log(mass[item]) for item in results], abs=1e-9)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "rescore" not in spec])  # that looks at canvas.start again
def test_no_host_device_copy_inside_a_step(spec):
    """The first batch builds the tables; after that no value is read back to the host."""
    sizes = (2, 3, 2, 4, 3)
    space = random_space(sizes, 9, n_categories=1, seed=1)
    model = TabularDenoiser.random(sizes, users=2)
    canvas = make_canvas(space, np.arange(2), catalogue=True, excluded=np.array([[0, 4], [3, -1]]))
    decoder = registry.make("decoder", spec)[1]
    syncs: list[str] = []

    class RecordSyncs(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            aten = torch.ops.aten
            if func.overloadpacket in (aten._local_scalar_dense, aten.nonzero, aten.equal, aten._unique2, aten.index):
                syncs.extend([str(func)] * (func.overloadpacket is not aten.index))
                if func.overloadpacket is aten.index:
                    syncs.extend("mask" for index in args[1] if index is not None and index.dtype == torch.bool)
            return func(*args, **(kwargs or {}))

    class Context:
        calls = 0

        def log_probs(self, revealed, slots):
            self.calls += 1
            if self.calls > 1:
                assert syncs[self.started :] == []
            self.started = len(syncs)
            log_probs = TabularContext(model.table, sizes).log_probs(revealed, slots)
            self.started = len(syncs)
            return log_probs

        def next_log_probs(self, prefix):
            revealed = torch.nn.functional.pad(prefix, (0, len(sizes) - prefix.shape[2]), value=MASK)
            return self.log_probs(revealed, (prefix.shape[2],))[:, :, 0]

    decoder.decode(TabularContext(model.table, sizes) if "denoiser" in decoder.needs else Context(), canvas, beam=3)
    context = Context()
    with RecordSyncs():
        decoder.decode(context, canvas, beam=3)
    assert context.calls > 1
    assert syncs, "reading canvas.start should be recorded"


@pytest.mark.parametrize(("constrain", "real"), [("slots", False), ("catalogue", True)])
@pytest.mark.parametrize("categories", ["generate", "history", "given"])
def test_the_batch_decoder_passes_the_constraint_on(constrain, real, categories):
    space = random_space((2, 4, 4, 4), 6, n_categories=1, seed=1)
    slots = space.sid_slots if categories == "history" else tuple(range(4))
    sizes = space.canvas_sizes(slots)
    users = BatchDecoder(
        model=TabularDenoiser.random(sizes, users=3, seed=2),
        capability="denoiser",
        decoder=registry.make("decoder", "dbs-dedup")[1],
        space=space,
        categories=categories,
        item_ids=[str(i) for i in range(6)],
        beam=4,
        seed=1,
        device="cpu",
        batch_size=2,
        constrain=constrain,
    )
    examples = Examples(Histories(np.full((3, 2), -1), np.arange(3)), np.array([0, 1, 2]))
    rows = [row for table, _ in users.decode_batches(examples, Meter()) for row in table.to_pylist()]
    items = {tuple(item[slot] for slot in slots) for item in items_of(space)}
    assert len(rows) > 3
    assert all(tuple(row["codes"]) in items for row in rows) == real
