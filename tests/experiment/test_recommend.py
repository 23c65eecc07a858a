"""Recommendations from the fitted model of a run, for users of the data and for anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from mindrec_bench.data.external_ids import write_external_ids
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.recommend import Recommender, recommend
from mindrec_bench.experiment.result_items import result_items
from mindrec_bench.experiment.run import run_experiment

from .helpers import DATA, FakeTrained

N_ITEMS = 24


@pytest.fixture
def shop(tmp_path) -> Path:
    """`Shop/`: users go round a ring of items, so the next one is certain; items 22 and 23 share a semantic ID."""
    folder = tmp_path / "data" / "Shop"
    folder.mkdir(parents=True)
    sequences = {str(user): [(user + step) % N_ITEMS for step in range(8)] for user in range(40)}
    sids = {str(item): [f"<a_{min(item, 22) % 5}>", f"<b_{min(item, 22) // 5}>"] for item in range(N_ITEMS)}
    items = {str(item): {"title": f"Thing {item}"} for item in range(N_ITEMS)}
    for kind, content in {"inter": sequences, "index": sids, "item": items}.items():
        (folder / f"Shop.{kind}.json").write_text(json.dumps(content))
    write_external_ids(folder, "Shop", "users", [f"user {user}" for user in range(40)])
    write_external_ids(folder, "Shop", "items", [f"b{item:02d}" for item in range(N_ITEMS)])
    return folder


@pytest.fixture
def stored(shop, tmp_path):
    """stored("markov", "rank-items", ...): the finished run."""

    def run(model="markov", decoder="rank-items", data=str(shop), **settings):
        options = ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")
        return run_experiment(ExperimentConfig(model, decoder, data=data, **settings), options).run

    return run


def test_a_history_of_a_user_that_was_never_in_the_data(stored) -> None:
    result = recommend(stored(), history=["b03", "b04"], k=3)
    assert (result.user, result.history) == ("", ("b03", "b04"))
    first, second, _ = result.items
    assert (first.rank, first.item, first.title, first.shared_with) == (1, "b05", "Thing 5", ())
    assert second.item == "b04"  # followed the item before
    assert first.score > second.score


def test_a_user_of_the_data_goes_on_from_the_last_item(stored) -> None:
    result = recommend(stored(), user="user 3", k=1)
    assert result.user == "user 3"
    assert result.history == tuple(f"b{item:02d}" for item in range(3, 11))  # the held-out ones too
    assert [item.item for item in result.items] == ["b11"]


@pytest.mark.parametrize("decoder", ["bs", "adaptive", "ar-beam", "rank-items"])
def test_the_history_of_a_test_user_gives_the_stored_ranking(stored, decoder) -> None:
    run = stored(decoder=decoder, constrain="catalogue")
    recommender = Recommender.load(run)
    items = result_items(
        run.rankings(["user", "rank", "codes", "item"]), run.summary.slots, recommender.context.dataset
    )
    rankings = run.rankings(["user", "rank", "codes", "item"]).append_column("index", pa.array(items)).to_pylist()
    for user in (0, 7, 39):
        expected = dict.fromkeys((f"b{row['index']:02d}") for row in rankings if row["user"] == user)
        result = next(recommender.recommend([[(user + step) % N_ITEMS for step in range(7)]], 10))
        assert [item.item for item in result.items] == list(expected)


def test_items_that_share_a_semantic_id_are_named(stored) -> None:
    result = recommend(stored(decoder="dbs-dedup", constrain="catalogue"), history=["b21"], k=1)
    (item,) = result.items
    assert (item.item, item.shared_with) == ("b22", ("b23",))


def test_an_item_that_is_reached_twice_counts_once(stored) -> None:
    result = recommend(stored(decoder="bs"), history=["b03"], k=10)
    items = [item.item for item in result.items]
    assert len(set(items)) == len(items) <= 10
    assert [item.rank for item in result.items] == list(range(1, len(items) + 1))


def test_only_the_latest_items_are_seen(stored) -> None:
    result = recommend(stored(history=2), history=["b10", "b03", "b04"], k=1)
    assert result.history == ("b03", "b04")


def test_more_items_than_the_beam(stored) -> None:
    assert len(recommend(stored(beam=3), history=["b03"], k=20).items) == 20


def test_batches_do_not_change_results(stored) -> None:
    run = stored()
    histories = [[item] for item in range(N_ITEMS)]
    together = list(Recommender.load(run).recommend(histories, 4))
    alone = [next(Recommender.load(run).recommend([history], 4)) for history in histories]
    small = list(Recommender.load(run, ExecutionOptions(batch_size=5)).recommend(histories, 4))
    assert together == alone == small


def test_data_without_semantic_ids_and_titles(stored, shop) -> None:
    (shop / "Shop.index.json").unlink()
    (shop / "Shop.item.json").unlink()
    result = recommend(stored(), history=["b21"], k=1)
    (item,) = result.items
    assert (item.item, item.title, item.shared_with) == ("b22", "", ())


def test_a_trained_model_comes_from_the_store(run, trainings, tmp_path) -> None:
    summary = run("trained", "rank-items", size="tiny")
    from mindrec_bench.store.runs import find_run

    stored_run = find_run(tmp_path / "runs", summary["run"])
    result = recommend(stored_run, user="3", k=5)
    assert len(result.items) == 5
    assert len(FakeTrained.trainings) == 1, "nothing is trained again"
    weights = next((tmp_path / "runs").rglob("weights"))
    weights.write_text("7")
    with pytest.raises(DataError, match=f"does not hold the whole fitted model of run {summary['run']}"):
        recommend(stored_run, user="3")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"history": ["b99"]},
            r"no item 'b99' in Shop \(did you mean 'b\d\d'\?\), in the history; items are named by the ids",
        ),
        ({"user": "user 4o"}, r"no user 'user 4o' in Shop \(did you mean 'user 4'\?\)"),
        ({"history": []}, "the history is empty; name at least one item"),
        ({"history": ["b01"], "k": 0}, "--k is 0; it must be from 1 to 1000"),
        ({}, "give either a user or a history"),
        ({"user": "user 4", "history": ["b01"]}, "give either a user or a history"),
    ],
)
def test_what_is_refused(stored, arguments, message) -> None:
    with pytest.raises(UsageError, match=message):
        recommend(stored(), **arguments)


def test_changed_data_are_refused(stored, shop) -> None:
    run = stored()
    content = json.loads((shop / "Shop.inter.json").read_text())
    (shop / "Shop.inter.json").write_text(json.dumps({**content, "0": [5, 6, 7]}))
    with pytest.raises(DataError, match=f"run {run.id} can't be set up as it was: .* repeat it: mrbench run"):
        recommend(run, history=["b01"])


def test_given_categories_are_refused(tmp_path) -> None:
    options = ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")
    run = run_experiment(ExperimentConfig("markov", "rank-items", data=DATA, categories="given"), options).run
    with pytest.raises(UsageError, match="is given the true categories of the next item, which nobody knows here"):
        recommend(run, user="1")
