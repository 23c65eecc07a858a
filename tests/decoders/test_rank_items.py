"""The ranking of items by their probability."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from mindrec_bench.core.code_space import MASK, CodeSpace
from mindrec_bench.core.lifting import DenoiserAsCausal
from mindrec_bench.core.protocols import ItemRanker
from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.plugins import registry
from mindrec_bench.testing import DecodingProblem, TabularDenoiser, catalogue_model, random_space
from mindrec_decoders.rank_items import RankItems
from mindrec_decoders.search.item_ranking import rank_catalogue
from mindrec_decoders.search.item_scores import ItemScorer

from .problems import assert_row, cases, excluded_sids, log_probs_of, start_of
from .reference import Beam, NearTieError, in_order
from .search.test_item_scores import context_of, log_prob_in_order, orders_of


def problems() -> st.SearchStrategy[DecodingProblem]:
    """Random tables: categories or none, given or not, constrained or not, with or without excluded items."""
    return cases().filter(lambda case: case.capability == "denoiser")


def expected_ranking(
    case: DecodingProblem,
    user: int,
    score: str,
    *,
    order: str = "reverse",
    normalise: str = "vocabulary",
    distinct: bool = True,
) -> list[Beam]:
    """All items that match the given codes and are not excluded, best first; the best of each SID where `distinct`."""
    log_probs, start = functools.cache(log_probs_of(case, user)), start_of(case, user)
    orders = orders_of(case, user)
    n_categories = sum(slot < case.space.n_categories for slot in orders[0])
    if score == "order":
        step = 1 if order == "left-to-right" else -1
        orders = [(*orders[0][:n_categories], *orders[0][n_categories:][::step])]
    sequences = [tuple(codes) for codes in case.space.item_codes.tolist()]
    sequences = [codes for codes in sequences if all(a in (MASK, b) for a, b in zip(start, codes, strict=True))]
    excluded = excluded_sids(case, user)
    sequences = [codes for codes in sequences if codes[case.space.n_categories :] not in excluded]
    scores = []
    for codes in sequences:
        per_order = [log_prob_in_order(log_probs, start, codes, one, normalise) for one in orders]
        total = float(np.logaddexp.reduce(per_order)) - math.log(len(orders))
        scores.append(sum(per_order) / len(orders) if score == "mean-log" else total)
    try:
        ranked = in_order(scores)
    except NearTieError:
        assume(False)
    results: dict[tuple[int, ...], Beam] = {}
    for position in ranked:
        codes = sequences[position]
        results.setdefault(codes[case.space.n_categories :] if distinct else codes, (codes, scores[position]))
    return list(results.values())


def estimate_from_one_code(case: DecodingProblem, user: int, codes: tuple[int, ...], score: str) -> float:
    """The score where each first SID code is averaged over and the codes behind it are independent of each other."""
    log_probs, start = functools.cache(log_probs_of(case, user)), list(start_of(case, user))
    masked, total = [slot for slot, code in enumerate(start) if code == MASK], 0.0
    for slot in [slot for slot in masked if slot < case.space.n_categories]:
        total += log_probs(tuple(start), slot)[codes[slot]]
        start[slot] = codes[slot]
    sids = [slot for slot in masked if slot >= case.space.n_categories]
    terms = []
    for first in sids:
        revealed = [*start[:first], codes[first], *start[first + 1 :]]
        behind = sum(log_probs(tuple(revealed), slot)[codes[slot]] for slot in sids if slot != first)
        terms.append(log_probs(tuple(start), first)[codes[first]] + behind)
    if score == "mean-log":
        return total + sum(terms) / len(terms)
    return total + float(np.logaddexp.reduce(terms)) - math.log(len(terms))


def catalogue(probs: list[list[float]], start=None, n_categories: int = 1) -> DecodingProblem:
    n_items = len(probs[0])
    space = random_space((2, 2), n_items, n_categories=n_categories)
    return DecodingProblem("catalogue", space, catalogue_model(np.array(probs)), "items", start)


def test_best_first_and_ties_to_the_lower_item():
    case = catalogue([[1, 4, 2, 4, 0, 5]] * 2)
    ranking = case.decode(RankItems(), np.arange(2), beam=4)
    assert ranking.items.tolist() == [[5, 1, 3, 2]] * 2
    assert ranking.codes[0].tolist() == case.space.item_codes[[5, 1, 3, 2]].tolist()
    assert ranking.scores[0].tolist() == pytest.approx([math.log(p / 16) for p in (5, 4, 4, 2)])


def test_impossible_items_and_entries_beyond_the_catalogue_are_padding():
    ranking = catalogue([[1, 0, 2]]).decode(RankItems(), np.array([0]), beam=5)
    assert ranking.lengths.tolist() == [2]
    assert ranking.items.tolist() == [[2, 0, -1, -1, -1]]
    assert (ranking.codes[0, 2:] == MASK).all()
    assert (ranking.scores[0, 2:] == -math.inf).all()


def test_given_categories_leave_the_items_that_match():
    start = np.array([[0, MASK], [1, MASK]])
    case = catalogue([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]] * 2, start)
    ranking = case.decode(RankItems(), np.arange(2), beam=6)
    for row, category in enumerate((0, 1)):
        matching = np.flatnonzero(case.space.item_codes[:, 0] == category)[::-1]
        total = (matching + 1).sum()
        assert ranking.items[row, : len(matching)].tolist() == matching.tolist()
        assert ranking.lengths[row] == len(matching)
        assert ranking.scores[row, : len(matching)].tolist() == pytest.approx(np.log((matching + 1) / total).tolist())


class TestCodesOfMaskedAndCausalModels:
    """Random tables, against enumeration of all items in all reveal orders."""

    @given(case=problems(), score=st.sampled_from(["marginal", "mean-log", "order"]), beam=st.integers(1, 9))
    def test_all_items_are_ranked_as_by_enumeration(self, case, score, beam):
        order = {"order": "reverse"} if score == "order" else {}
        ranking = case.decode(RankItems(score=score, shortlist="all", **order), np.arange(2), beam=beam)
        for user in range(2):
            assert_row(ranking, user, expected_ranking(case, user, score)[:beam])
        assert ranking.certified.tolist() == [beam] * 2
        assert ranking.items is None

    @given(case=problems(), shortlist=st.integers(1, 4))
    def test_what_is_not_on_the_shortlist_is_absent(self, case, shortlist):
        ranking = case.decode(RankItems(shortlist=shortlist), np.arange(2), beam=2)
        n_sequences = len(np.unique(case.space.item_codes, axis=0))
        assert (ranking.certified is None) == (max(shortlist, 2) < n_sequences)
        for user in range(2):
            expected = dict(expected_ranking(case, user, "marginal", distinct=False))
            n_results = int(ranking.lengths[user])
            assert n_results <= 2
            scores = ranking.scores[user, :n_results].tolist()
            for codes, score in zip(ranking.codes[user, :n_results].tolist(), scores, strict=True):
                assert score == pytest.approx(expected[tuple(codes)], abs=1e-6)

    @given(
        case=problems(),
        score=st.sampled_from(["marginal", "mean-log"]),
        finalists=st.integers(1, 6),
        beam=st.integers(1, 3),
    )
    def test_finalists_are_the_best_by_one_revealed_code(self, case, score, finalists, beam):
        n_possible = (case.model.table > -math.inf).sum(dim=3)
        assume((n_possible == torch.tensor(case.space.sizes)).all())  # an impossible item may be a finalist
        decoder = RankItems(score=score, shortlist="all", finalists=finalists)
        ranking = case.decode(decoder, np.arange(2), beam=beam)
        for user in range(2):
            everything = expected_ranking(case, user, score, distinct=False)
            estimates = [estimate_from_one_code(case, user, codes, score) for codes, _ in everything]
            try:
                chosen = in_order(estimates)[: max(finalists, beam)]
            except NearTieError:
                assume(False)
            expected = [everything[position] for position in sorted(chosen)]
            results = {codes[case.space.n_categories :]: (codes, value) for codes, value in reversed(expected)}
            best = sorted(results.values(), key=lambda result: -result[1])
            assert_row(ranking, user, best[:beam])

    def test_finalists_take_fewer_states(self):
        sizes = (4, 4, 4, 4)
        case = DecodingProblem("tables", random_space(sizes, 40), TabularDenoiser.random(sizes, users=2), "denoiser")
        canvas, states = case.canvas(np.arange(2), capability="denoiser"), []
        for finalists in (None, 39, 5):
            scorer = ItemScorer(context_of(case, [0, 1]), canvas)
            rank_catalogue(scorer, beam=3, shortlist=40, finalists=finalists)
            states.append(scorer.n_states.tolist())
        assert states[0] >= states[1] > states[2]

    @given(
        case=problems(),
        score=st.sampled_from(["marginal", "mean-log", "order"]),
        beam=st.integers(1, 4),
        states=st.sampled_from([1, 10, 20, 30, 50, 1000]),
    )
    def test_a_certificate_is_never_wrong(self, case, score, beam, states):
        decoder = RankItems(score=score, shortlist=1, certify=True, states=states)
        ranking = case.decode(decoder, np.arange(2), beam=beam)
        for user in range(2):
            expected = expected_ranking(case, user, score, order="left-to-right")[:beam]
            n_proved = int(ranking.certified[user])
            proved = [tuple(codes) for codes in ranking.codes[user, :n_proved].tolist() if MASK not in codes]
            assert proved == [codes for codes, _ in expected[:n_proved]]

    def test_more_states_prove_more(self):
        sizes = (4, 4, 4, 4)
        case = DecodingProblem(
            "tables", random_space(sizes, 40), TabularDenoiser.random(sizes, users=20, seed=5), "denoiser"
        )
        proved = [
            case.decode(RankItems(shortlist=5, certify=True, states=states), np.arange(20), beam=3).certified.sum()
            for states in (1, 250, 300, 400)
        ]
        assert proved[0] < proved[1] < proved[2] < proved[3] == 60

    @given(case=problems(), normalise=st.sampled_from(["vocabulary", "slot"]), beam=st.integers(1, 9))
    def test_best_first_search_is_the_chain_rule_of_all_items(self, case, normalise, beam):
        causal = DecodingProblem(
            case.name, case.space, DenoiserAsCausal(case.model), "causal", case.start, case.catalogue, case.excluded
        )
        ranking = causal.decode(RankItems(normalise=normalise), np.arange(2), beam=beam)
        for user in range(2):
            expected = expected_ranking(case, user, "order", order="left-to-right", normalise=normalise)
            assert_row(ranking, user, expected[:beam])

    @given(case=problems(), score=st.sampled_from(["marginal", "mean-log", "order"]), causal=st.booleans())
    def test_scores_of_items_are_those_that_rank_them(self, case, score, causal):
        decoder = RankItems(score=score, shortlist="all")
        capability = "causal" if causal else "denoiser"
        context = context_of(case, [0, 1], capability)
        canvas = case.canvas(np.arange(2), capability=capability)
        ranking = decoder.decode(context, canvas, beam=7)
        assert isinstance(decoder, ItemRanker)
        scores = decoder.score_items(context, canvas, ranking.codes)
        assert torch.allclose(scores, ranking.scores, atol=1e-9)

    def test_items_of_one_sid_are_one_result_and_ties_go_to_the_lower_item(self):
        """Uniform tables: all items tie, and items 0 and 2, 1 and 3 share their SIDs."""
        codes = np.array([[0, 1, 1], [0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]])
        space = CodeSpace((np.arange(2),) * 3, codes, n_categories=1)
        table = torch.full((1, 27, 3, 2), -math.log(2), dtype=torch.float64)
        case = DecodingProblem("ties", space, TabularDenoiser(table, space.sizes), "denoiser")
        causal = DecodingProblem("ties", space, DenoiserAsCausal(case.model), "causal")
        for problem, decoder in ((case, RankItems()), (case, RankItems(certify=True)), (causal, RankItems())):
            ranking = problem.decode(decoder, np.array([0]), beam=6)
            assert ranking.lengths.tolist() == [4]
            assert ranking.codes[0, :4].tolist() == codes[[0, 1, 4, 5]].tolist()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"shortlist": 0}, "shortlist is 0"),
            ({"states": 0}, "states is 0"),
            ({"finalists": 0}, "finalists is 0"),
            ({"finalists": 60}, "finalists=60 has no effect, as shortlist=60"),
            ({"finalists": 20, "score": "order"}, "finalists are chosen by an average over orders"),
            ({"finalists": 20, "certify": True}, "finalists and certify=yes are two ways"),
            ({"order": "reverse"}, "order=reverse has no effect without score=order; add it"),
            ({"states": 100}, "states=100 has no effect without certify=yes; add it"),
            ({"certify": True, "score": "order", "order": "entropy"}, "certify=yes has no bounds for order=entropy"),
        ],
    )
    def test_impossible_options_are_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            RankItems(**options)

    @pytest.mark.parametrize(
        ("model", "option"),
        [
            ("markov", "score=order"),
            ("markov", "normalise=slot"),
            ("llama3", "shortlist=all"),
            ("idgenrec", "certify=yes"),
        ],
    )
    def test_options_without_a_use_are_refused(self, model, option):
        config = ExperimentConfig(model, f"rank-items:{option}", data="arts-sim:users=20,items=30")
        with pytest.raises(
            UsageError, match=f"option '{option.split('=')[0]}' of decoder 'rank-items' is for"
        ) as caught:
            resolve_config(config)
        assert f"and '{model}' answers as" in str(caught.value)

    @pytest.mark.parametrize("value", ["60", "all"])
    def test_shortlist_is_a_number_or_all(self, value):
        _, decoder = registry.make("decoder", f"rank-items:shortlist={value}")
        assert str(decoder.shortlist) == value
        with pytest.raises(UsageError, match="must be a whole number"):
            registry.make("decoder", "rank-items:shortlist=most")
