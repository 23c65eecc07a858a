"""The numbers of the quality report by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mindrec_bench.core.dataset import Dataset, ExternalIds, ItemTexts
from mindrec_bench.tokenizers.quality import measure_quality
from mindrec_bench.tokenizers.quantizer import QuantizedItems

VECTORS = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [0.0, 0.0]], dtype="f4")
CODEBOOKS = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.1]]], dtype="f4")
BEFORE = np.array([[0, 0], [0, 1], [1, 0], [1, 0], [1, 0]])
AFTER = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 2]])


@pytest.fixture
def report(make_data: Callable[..., Dataset]) -> dict:
    data = make_data(users=2, items=5, longest=5)
    names = ("lyre", "", "drum", "gong", "")
    data.__dict__["texts"] = ItemTexts(names, ("",) * 5, ("",) * 5, ("Music", "Music,Harps", "", "", ""))
    quantized = QuantizedItems(VECTORS, CODEBOOKS, BEFORE, decode=lambda sums: sums, training_stats={"epochs": 3})
    codes = np.where(AFTER > 1, 1, AFTER)
    codes[4] = [0, 1]
    return measure_quality(data, VECTORS, quantized, codes, seed=0)


def test_collisions_and_error_before_and_after(report: dict) -> None:
    """Before, items 2, 3 and 4 share a SID, and the errors are 0, 0, 0, 0.1^2 and 1 (the zero vector's code is (0, 1)).

    After, items 1 and 4 share one: 0, 0, 0, 0.1^2 + 0.1^2 and 1 + 0.1^2.
    """
    spread = np.square(VECTORS - VECTORS.mean(axis=0)).sum()
    assert report["before"] == {"distinct_sids": 3, "items_sharing_a_sid": 3, "error": pytest.approx(1.01 / spread)}
    assert report["after"] == {
        "distinct_sids": 4,
        "items_sharing_a_sid": 2,
        "error": pytest.approx((0.02 + 1 + 0.01) / spread),
    }
    assert (report["items"], report["without_vector"], report["moved"], report["epochs"]) == (5, 1, 2, 3)


def test_codes_used_and_entropy_per_level(report: dict) -> None:
    three_of_five = -(0.6 * np.log2(0.6) + 0.4 * np.log2(0.4))
    assert [slot["used"] for slot in report["slots"]] == [2, 2]
    assert [slot["entropy"] for slot in report["slots"]] == pytest.approx([three_of_five, three_of_five])


def test_neighbours_that_share_the_first_code(report: dict) -> None:
    """All four others are neighbours: of items 0 and 1, first code 0, two share it; of items 2 and 3 one does."""
    assert report["neighbours"] == {"of": 4, "share": pytest.approx(1.5 / 4), "chance": pytest.approx(1.5 / 4)}


def test_examples_show_the_nearest_items(report: dict) -> None:
    examples = {example["item"]: example for example in report["examples"]}
    assert {item: example["title"] for item, example in examples.items()} == {
        "0": "lyre", "1": "Harps", "2": "drum", "3": "gong", "4": "",
    }  # fmt: skip
    assert [(other["item"], other["shared"]) for other in examples["0"]["by_prefix"]] == [("1", 1), ("4", 1), ("2", 0)]
    assert [other["item"] for other in examples["2"]["by_vector"]] == ["3", "1", "0"]
    assert examples["3"]["codes"] == [1, 1]


def test_similar_items_share_codes_more_often_than_by_chance(make_data: Callable[..., Dataset]) -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 5, 100)
    vectors = (np.eye(5)[kind] + 0.1 * rng.standard_normal((100, 5))).astype("f4")
    quantized = QuantizedItems(vectors, np.eye(5, dtype="f4")[None], kind[:, None], decode=lambda sums: sums)
    data = make_data(users=3, items=100, longest=5)
    neighbours = measure_quality(data, vectors, quantized, kind[:, None], seed=0)["neighbours"]
    assert neighbours["share"] > 0.95
    counts = np.bincount(kind)
    assert neighbours["chance"] == pytest.approx((counts * (counts - 1)).sum() / (100 * 99))


def test_one_item_has_no_neighbours(make_data: Callable[..., Dataset]) -> None:
    data, vectors = make_data(users=1, items=1, longest=3), np.ones((1, 2), dtype="f4")
    quantized = QuantizedItems(vectors, vectors[None], np.zeros((1, 1), dtype=int), decode=lambda sums: sums)
    report = measure_quality(data, vectors, quantized, quantized.codes, seed=0)
    assert report["neighbours"]["of"] == 0
    assert report["slots"] == [{"used": 1, "entropy": 0.0}]


def test_imported_items_appear_with_external_ids(make_data: Callable[..., Dataset]) -> None:
    data = make_data(users=2, items=5, longest=5)
    data.__dict__["external_ids"] = ExternalIds(("x", "y"), tuple("abcde"))
    quantized = QuantizedItems(VECTORS, CODEBOOKS, BEFORE, decode=lambda sums: sums)
    examples = measure_quality(data, VECTORS, quantized, BEFORE, seed=0)["examples"]
    assert sorted(example["item"] for example in examples) == list("abcde")
    (first,) = [example for example in examples if example["item"] == "a"]
    assert first["by_vector"][0]["item"] == "b"
