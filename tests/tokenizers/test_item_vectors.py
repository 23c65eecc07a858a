"""`--vectors`: its sources, and how they are joined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.data.folder import read_untokenized
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.tokenizers.item_vectors import (
    VectorBuilder,
    VectorSource,
    concatenate,
    default_vectors,
    parse_sources,
)


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("text", [VectorSource("text", None)]),
        ("text+cooc", [VectorSource("text", None), VectorSource("cooc", None)]),
        ("text:org/model+v2+cooc", [VectorSource("text", "org/model+v2"), VectorSource("cooc", None)]),
        ("file:a b/x.npy+text", [VectorSource("file", "a b/x.npy"), VectorSource("text", None)]),
    ],
)
def test_sources_are_parsed(text: str, sources: list[VectorSource]) -> None:
    assert parse_sources(text) == tuple(sources)


@pytest.mark.parametrize("text", ["words", "text+", "file", "cooc:3", "", "text+words"])
def test_unknown_sources_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"join some of text, text:MODEL, cooc, file:PATH\.npy with"):
        parse_sources(text)
    with pytest.raises(UsageError, match="names a part twice"):
        parse_sources("cooc+cooc")


def test_sources_have_equal_weight_and_zero_rows_stay_zero() -> None:
    rng = np.random.default_rng(0)
    first, second = 1000 * rng.standard_normal((6, 3)).astype("f4") + 5000, rng.standard_normal((6, 2)).astype("f4")
    first[2] = 0
    joined = concatenate([first, second])
    assert joined.shape == (6, 5)
    assert not joined[2, :3].any()
    nonzero = [0, 1, 3, 4, 5]
    assert np.square(joined[nonzero, :3]).sum(axis=1) == pytest.approx(np.full(5, 0.5))
    assert np.square(joined[:, 3:]).sum(axis=1) == pytest.approx(np.full(6, 0.5))
    centred = first[nonzero] - first[nonzero].mean(axis=0)
    assert joined[0, :3] == pytest.approx(centred[0] / np.linalg.norm(centred[0]) / np.sqrt(2), rel=1e-4)


def builder(shop: Path) -> VectorBuilder:
    return VectorBuilder(read_untokenized(shop), 4, 0, "cpu", None, True)


def test_every_kind_of_source(shop: Path, tmp_path: Path) -> None:
    file_matrix = np.random.default_rng(0).standard_normal((48, 3))
    np.save(tmp_path / "matrix.npy", file_matrix)
    sources = parse_sources(f"text+cooc+file:{tmp_path / 'matrix.npy'}")
    vectors = [builder(shop).build(source) for source in sources]
    assert [matrix.shape for matrix in vectors] == [(48, 4), (48, 4), (48, 3)]
    assert (vectors[2] == file_matrix.astype("f4")).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((3, 2)), "has 3 rows, but the data has 48 items"),
        (np.zeros(48), "one matrix of numbers"),
        (np.full((48, 2), np.nan), "not finite numbers"),
        (np.full((48, 2), None), r"can't be read as a \.npy file"),
        (None, r"can't be read as a \.npy file"),
    ],
    ids=["rows", "one-column", "nan", "objects", "missing"],
)
def test_files_that_do_not_fit(shop: Path, tmp_path: Path, content: np.ndarray | None, message: str) -> None:
    if content is not None:
        np.save(tmp_path / "matrix.npy", content)
    with pytest.raises(DataError, match=message):
        builder(shop).build(VectorSource("file", str(tmp_path / "matrix.npy")))


def test_texts_are_the_default_if_items_have_titles(shop: Path) -> None:
    assert default_vectors(read_untokenized(shop)) == "text"
    (shop / "Shop.item.json").write_text('{"1": {"categories": "Music,Drums"}}')
    assert default_vectors(read_untokenized(shop)) == "cooc"
    (shop / "Shop.item.json").unlink()
    assert default_vectors(read_untokenized(shop)) == "cooc"
