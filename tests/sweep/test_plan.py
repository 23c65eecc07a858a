"""The file of a sweep: its runs and groups, and one message for each mistake."""

from __future__ import annotations

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.sweep.plan import DEFAULT_METRIC, differing_fields, read_sweep

RUN = '[run]\ndecoder = "bs"\ndata = "arts-sim"\nsize = "tiny"\n'
GRID = '[[grid]]\nmodel = "llada"\n'


def read(folder, text):
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return read_sweep(path)


def test_every_combination_is_a_run_on_the_validation_items(tmp_path):
    options = "options.lr = [0.001, 5e-4]\noptions.epochs = 3\n"
    plan = read(tmp_path, RUN + GRID + "seed = [0, 1]\nmax-minutes = 2\n" + options)
    expected = [(f"llada:lr={lr},epochs=3", seed) for seed in (0, 1) for lr in (0.001, 0.0005)]
    assert [(run.config.model, run.config.seed) for run in plan.runs] == expected
    assert {run.config.split for run in plan.runs} == {"valid"}
    assert {run.test_config.split for run in plan.runs} == {"test"}
    assert {run.config.max_minutes for run in plan.runs} == {2}
    assert plan.metric == DEFAULT_METRIC


def test_imported_data_is_found_in_the_data_directory(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(RUN.replace("arts-sim", "shop") + GRID, encoding="utf-8")
    with pytest.raises(UsageError, match="unknown data 'shop'"):
        read_sweep(path, tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.inter.json").write_text("{}")
    assert [run.config.data for run in read_sweep(path, tmp_path).runs] == ["shop"]


def test_only_options_and_seeds_differ_within_a_group(tmp_path):
    text = RUN + GRID + "beam = [3, 5]\nseed = [0, 1]\noptions.shuffle = [true, false]\n"
    groups = read(tmp_path, text).groups
    assert [group.beam for group in groups] == [3, 5]
    assert [len(runs) for runs in groups.values()] == [4, 4]
    assert differing_fields(list(groups)) == ["beam"]


def test_options_are_added_to_those_of_the_model_and_equal_runs_are_merged(tmp_path):
    text = (
        RUN + '[[grid]]\nmodel = "llada:epochs=2"\noptions.lr = 0.5\n' + '[[grid]]\nmodel = "llada:epochs=2,lr=0.5"\n'
    )
    assert [run.config.model for run in read(tmp_path, text).runs] == ["llada:epochs=2,lr=0.5"]


def test_all_users(tmp_path):
    assert read(tmp_path, RUN + GRID + 'users = "all"\n').runs[0].config.users is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no grids"),
        (RUN, "has no grids"),
        ("[[grids]]\n" + GRID, r"unknown key 'grids' in .* \(did you mean 'grid'\?\)"),
        ('choose = "mrr"\n' + RUN + GRID, "unknown metric 'mrr'"),
        (RUN + GRID + "beams = 3", r"unknown key 'beams' in grid 1 of .* \(did you mean 'beam'\?\)"),
        (RUN + GRID + 'split = "test"', "unknown key 'split' in grid 1"),
        (RUN + GRID + "beam = []", "'beam' in grid 1 of .* is an empty list"),
        (RUN + GRID + 'beam = ["ten"]', "'beam' in grid 1 .* must be a whole number"),
        (RUN + GRID + 'users = "some"', "'users' in grid 1 .* must be a whole number or 'auto' or 'all'"),
        (RUN + GRID + "options.rate = [1]", "grid 1 of .*: 'llada' has no option 'rate'"),
        (RUN + GRID + "options = 3", r"'options' in grid 1 .* write options.NAME"),
        (RUN + GRID + "[[grid]]\nmodel = 'lada'\n", r"grid 2 of .*: unknown model 'lada'"),
        (RUN + '[[grid]]\nmodel = "llama3"\n', "grid 1 of .*: decoder 'bs' can't work with model 'llama3'"),
        ("[[grid]]\nmodel = 'pop'\n", "grid 1 of .* has no key 'decoder'"),
        ("[[grid]\n", "not valid TOML"),
    ],
)
def test_an_invalid_file_is_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"the sweep .*no.toml can't be read"):
        read_sweep(tmp_path / "no.toml")
