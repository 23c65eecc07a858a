"""The sections of an audit, by hand, and on data whose ties matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.core.dataset import Dataset
from mindrec_bench.core.holdout import Holdout
from mindrec_bench.data_audit.audit import audit_data
from mindrec_bench.data_audit.audit_text import audit_text, conclude

from ..core.test_holdout import make_dataset


@pytest.fixture
def small() -> Dataset:
    """In training 0, 1 | 1, 2 | 3, 0; test 0 -> 1 (had before) | 5 (never seen) | 3 -> 2; items 2 and 5 share a SID."""
    data = make_dataset([[0, 1, 0, 1], [1, 2, 4, 5], [3, 0, 1, 2]], [[1, 2, 3, 4], [1, 2, 2, 2], [5, 6, 7, 8]])
    return replace(data, sids=np.array([[0], [1], [2], [3], [4], [2]]))


def test_by_hand(small: Dataset) -> None:
    values = audit_data(small)
    assert (values["users"], values["items"], values["interactions"]) == (3, 6, 12)
    assert values["repeats"] == {
        "repeated_interactions": 2,
        "repeated_interactions_share": pytest.approx(2 / 12),
        "test_targets_had_before": 1,
        "test_targets_in_history": 1,
        "test_targets_in_history_share": pytest.approx(1 / 3),
    }
    assert values["unseen"] == {"test_targets": 1, "test_targets_share": pytest.approx(1 / 3)}
    assert (values["sids"]["items_sharing"], values["sids"]["test_targets_sharing"]) == (2, 2)
    # 0 -> 1 and 1 -> 2 are in training; 4 -> 5 is not
    memorisable = values["memorisable"]
    assert memorisable["test_targets"] == 2
    markov = memorisable["hr@10"]["markov"]
    assert (markov["all"], markov["memorisable"], markov["rest"]) == (1.0, 1.0, 1.0)  # item 5 has the SID of item 2
    assert markov["by_item"] == pytest.approx(2 / 3)
    assert values["sids"]["given_away_hr@10"]["markov"] == pytest.approx(1 / 3)
    times = values["times"]
    assert (times["tied_interactions"], times["tied_test_targets"]) == (3, 1)
    assert set(times["hr@10"]) == {"pop", "markov", "itemknn"}


def test_the_page_draws_a_conclusion_from_each(small: Dataset) -> None:
    values = audit_data(small)
    page, conclusions = audit_text(values), conclude(values)
    sentences = [line for line in audit_text(values, 60).splitlines()[1:] if "   " not in line.strip()]
    assert max(map(len, sentences)) <= 60 < max(map(len, page.splitlines()))
    assert page.startswith(
        "hand: 3 test users, 6 items, 12 interactions; leave-one-out, histories of the latest 10 items"
    )
    assert list(conclusions) == ["times", "repeats", "unseen", "sids", "memorisable"]
    assert page.count("=> ") == 5
    assert len(page.splitlines()) < 60
    assert max(map(len, page.splitlines())) <= 120
    assert "Shuffling the ties moves HR@10" in conclusions["times"]
    assert "run with --holdout time:0.9" in conclusions["times"]
    assert "would make 33.3% of the targets unreachable" in conclusions["repeats"]
    assert "can exceed HR 0.667; only what is known of the items" in conclusions["unseen"]
    assert "Collisions give away up to 0.3333 of HR@10" in conclusions["sids"]


def test_data_that_do_not_have_it(small: Dataset) -> None:
    plain = replace(small, has_sids=False, sids=np.arange(6)[:, None], read_times=lambda: None)
    values = audit_data(plain)
    assert values["times"] == {"known": False}
    assert values["sids"] == {"known": False}
    conclusions = conclude(values)
    assert conclusions["times"].startswith("Neither ties nor leakage in time can be checked")
    assert conclusions["sids"].startswith("A hit is a match of items.")
    assert "The data have none." in audit_text(values)


def test_a_split_by_time_leaks_nothing() -> None:
    rng = np.random.default_rng(0)
    times = [np.sort(rng.choice(10_000, size=8, replace=False)).tolist() for _ in range(40)]
    data = make_dataset([rng.permutation(30)[:8].tolist() for _ in range(40)], times)
    leaking = audit_data(data)
    assert leaking["times"]["training_after_own_target_share"] > 0
    values = audit_data(data.with_split(Holdout(share=0.8), 10))
    assert values["holdout"] == "time:0.8"
    assert values["times"]["training_after_first_target"] == 0
    assert "nothing leaks from the future" in conclude(values)["times"]
    assert values["users"] < 40


def test_a_model_that_learns_the_order_of_ties_is_found() -> None:
    """Every user has 6 items in one order, all at one time: Markov knows the target, unless ties are shuffled."""
    data = make_dataset([[(user + step) % 40 for step in range(6)] for user in range(40)], [[7] * 6] * 40)
    hr = audit_data(data, seed=1)["times"]["hr@10"]["markov"]
    assert hr["as_is"] == 1.0
    assert hr["shuffled"] < 0.9
