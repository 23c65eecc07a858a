"""`--vectors`: its parts, and how they are joined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.data.folder import read_uncoded
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.tokenizers.vectors import Block, Maker, parse, side_by_side, usual


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("text", [Block("text", None)]),
        ("text+cooc", [Block("text", None), Block("cooc", None)]),
        ("text:org/model+v2+cooc", [Block("text", "org/model+v2"), Block("cooc", None)]),
        ("file:a b/x.npy+text", [Block("file", "a b/x.npy"), Block("text", None)]),
    ],
)
def test_parts(text: str, blocks: list[Block]) -> None:
    assert parse(text) == tuple(blocks)


@pytest.mark.parametrize("text", ["words", "text+", "file", "cooc:3", "", "text+words"])
def test_unknown_parts(text: str) -> None:
    with pytest.raises(UsageError, match=r"join some of text, text:MODEL, cooc, file:PATH\.npy with"):
        parse(text)
    with pytest.raises(UsageError, match="names a part twice"):
        parse("cooc+cooc")


def test_blocks_weigh_the_same_and_unknown_items_stay_zero() -> None:
    rng = np.random.default_rng(0)
    first, second = 1000 * rng.standard_normal((6, 3)).astype("f4") + 5000, rng.standard_normal((6, 2)).astype("f4")
    first[2] = 0
    found = side_by_side([first, second])
    assert found.shape == (6, 5)
    assert not found[2, :3].any()
    known = [0, 1, 3, 4, 5]
    assert np.square(found[known, :3]).sum(axis=1) == pytest.approx(np.full(5, 0.5))
    assert np.square(found[:, 3:]).sum(axis=1) == pytest.approx(np.full(6, 0.5))
    centred = first[known] - first[known].mean(axis=0)
    assert found[0, :3] == pytest.approx(centred[0] / np.linalg.norm(centred[0]) / np.sqrt(2), rel=1e-4)


def maker(shop: Path) -> Maker:
    return Maker(read_uncoded(shop), 4, 0, "cpu", None, True, lambda line: None)


def test_every_kind_of_block(shop: Path, tmp_path: Path) -> None:
    own = np.random.default_rng(0).standard_normal((48, 3))
    np.save(tmp_path / "own.npy", own)
    made = [maker(shop).make(block) for block in parse(f"text+cooc+file:{tmp_path / 'own.npy'}")]
    assert [block.shape for block in made] == [(48, 4), (48, 4), (48, 3)]
    assert (made[2] == own.astype("f4")).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((3, 2)), "has 3 rows, and the data 48 items"),
        (np.zeros(48), "one matrix of numbers"),
        (np.full((48, 2), np.nan), "no finite numbers"),
        (np.full((48, 2), None), r"can't be read as a \.npy file"),
        (None, r"can't be read as a \.npy file"),
    ],
    ids=["rows", "one-column", "nan", "objects", "missing"],
)
def test_files_that_do_not_fit(shop: Path, tmp_path: Path, content: np.ndarray | None, message: str) -> None:
    if content is not None:
        np.save(tmp_path / "own.npy", content)
    with pytest.raises(DataError, match=message):
        maker(shop).make(Block("file", str(tmp_path / "own.npy")))


def test_texts_are_usual_where_items_have_some_of_their_own(shop: Path) -> None:
    assert usual(read_uncoded(shop)) == "text"
    (shop / "Shop.item.json").write_text('{"1": {"categories": "Music,Drums"}}')
    assert usual(read_uncoded(shop)) == "cooc"
    (shop / "Shop.item.json").unlink()
    assert usual(read_uncoded(shop)) == "cooc"
