"""A sweep's file: its cells and groups, and one sentence for each mistake."""

from __future__ import annotations

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.sweep.plan import CHOOSE, differing, read_sweep

RUN = '[run]\ndecoder = "bs"\ndata = "arts-sim"\nsize = "tiny"\n'
GRID = '[[grid]]\nmodel = "llada"\n'


def read(folder, text):
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return read_sweep(path)


def test_every_combination_is_a_cell_on_the_validation_items(tmp_path):
    sweep = read(
        tmp_path, RUN + GRID + "seed = [0, 1]\nmax-minutes = 2\noptions.lr = [0.001, 5e-4]\noptions.epochs = 3\n"
    )
    found = [(cell.question.model, cell.question.seed) for cell in sweep.cells]
    assert found == [(f"llada:lr={lr},epochs=3", seed) for seed in (0, 1) for lr in (0.001, 0.0005)]
    assert {cell.question.split for cell in sweep.cells} == {"valid"}
    assert {cell.test.split for cell in sweep.cells} == {"test"}
    assert {cell.question.max_minutes for cell in sweep.cells} == {2}
    assert sweep.choose == CHOOSE


def test_imported_data_is_found_where_data_folders_are(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(RUN.replace("arts-sim", "shop") + GRID, encoding="utf-8")
    with pytest.raises(UsageError, match="unknown data 'shop'"):
        read_sweep(path, tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.inter.json").write_text("{}")
    assert [cell.question.data for cell in read_sweep(path, tmp_path).cells] == ["shop"]


def test_options_and_seeds_compete_and_nothing_else(tmp_path):
    text = RUN + GRID + "beam = [3, 5]\nseed = [0, 1]\noptions.shuffle = [true, false]\n"
    groups = read(tmp_path, text).groups
    assert [group.beam for group in groups] == [3, 5]
    assert [len(cells) for cells in groups.values()] == [4, 4]
    assert differing(list(groups)) == ["beam"]


def test_options_join_those_of_the_model_and_equal_cells_are_one(tmp_path):
    text = (
        RUN + '[[grid]]\nmodel = "llada:epochs=2"\noptions.lr = 0.5\n' + '[[grid]]\nmodel = "llada:epochs=2,lr=0.5"\n'
    )
    assert [cell.question.model for cell in read(tmp_path, text).cells] == ["llada:epochs=2,lr=0.5"]


def test_all_users(tmp_path):
    assert read(tmp_path, RUN + GRID + 'users = "all"\n').cells[0].question.users is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no grids"),
        (RUN, "has no grids"),
        ("[[grids]]\n" + GRID, r"unknown key 'grids' in .* \(did you mean 'grid'\?\)"),
        ('choose = "mrr"\n' + RUN + GRID, "unknown metric 'mrr'"),
        (RUN + GRID + "beams = 3", r"unknown key 'beams' in grid 1 of .* \(did you mean 'beam'\?\)"),
        (RUN + GRID + 'split = "test"', "unknown key 'split' in grid 1"),
        (RUN + GRID + "beam = []", "'beam' in grid 1 of .* is an empty list"),
        (RUN + GRID + 'beam = ["ten"]', "'beam' in grid 1 .* must be of type int"),
        (RUN + GRID + 'users = "some"', "'users' in grid 1 .* must be a number, or all"),
        (RUN + GRID + "options.rate = [1]", "grid 1 of .*: 'llada' has no option 'rate'"),
        (RUN + GRID + "options = 3", r"'options' in grid 1 .* write options.NAME"),
        (RUN + GRID + "[[grid]]\nmodel = 'lada'\n", r"grid 2 of .*: unknown model 'lada'"),
        (RUN + '[[grid]]\nmodel = "llama3"\n', "grid 1 of .*: decoder 'bs' can't work with model 'llama3'"),
        ("[[grid]]\nmodel = 'pop'\n", "grid 1 of .* has no key 'decoder'"),
        ("[[grid]\n", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        read(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"the sweep .*no.toml can't be read"):
        read_sweep(tmp_path / "no.toml")
