"""`--search-error`: what a decoder misses of the ranking by another one, through whole runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from mindrec_bench.core.backbone import Backbone
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.metrics.names import KS
from mindrec_decoders.search.results import make_ranking
from mindrec_decoders.search.scores import stable_topk

USERS, ITEMS, BEAM = 20, 50, 5
DATA = f"arts-sim:users={USERS},items={ITEMS}"


def slot_log_probs(users, n_slots, n_codes=20):
    """Codes that do not depend on each other, so that a sequence's probability is a product. Shape: (B, T, V)"""
    weights = np.stack([np.random.default_rng(user).exponential(size=(n_slots, n_codes)) for user in users])
    return torch.from_numpy(weights / weights.sum(axis=2, keepdims=True)).log()


@dataclass(frozen=True)
class Independent(Backbone):
    """A denoiser whose slots are independent."""

    capability: ClassVar[str] = "denoiser"

    def fit(self, task, folder):
        raise AssertionError("it has no sizes, so nothing is trained")

    def load(self, task, folder):
        return Model(task.space)


@dataclass(frozen=True)
class Model:
    space: object

    def begin(self, histories, slots):
        sizes = self.space.canvas_sizes(slots)
        table = slot_log_probs(histories.users, self.space.n_slots)[:, list(slots), : max(sizes)]
        table = table.masked_fill(torch.arange(max(sizes)) >= torch.tensor(sizes)[:, None], -math.inf)
        return Context(table)


@dataclass(frozen=True)
class Context:
    table: torch.Tensor

    def log_probs(self, revealed, slots):
        return self.table[:, None, list(slots)].expand(-1, revealed.shape[1], -1, -1)


@dataclass(frozen=True)
class RankAll:
    """Ranks all items, or the first of them, by the model's probability."""

    needs: ClassVar[str] = "denoiser"
    n_items: int = ITEMS

    def score_items(self, context, canvas, codes):
        table = context.log_probs(canvas.start[:, None], range(codes.shape[2]))[:, 0]
        return table.gather(2, codes.clamp(min=0).mT).sum(dim=1).where((codes >= 0).all(dim=2), -math.inf)

    def decode(self, context, canvas, *, beam):
        items = canvas.items[: self.n_items].expand(len(canvas.start), -1, -1)
        scores = self.score_items(context, canvas, items)
        if canvas.excluded is not None:
            scores = scores.masked_fill(canvas.excluded.among(len(canvas.items))[:, : self.n_items], -math.inf)
        top = stable_topk(scores, beam)
        return make_ranking(canvas.items[top], scores.gather(1, top), beam)


@pytest.fixture
def registered(register):
    register("model", "independent", Independent)
    register("decoder", "rank-all", RankAll)


@pytest.mark.parametrize("categories", ["none", "generate", "history"])
@pytest.mark.parametrize("exclude_history", [False, True])
def test_it_is_what_the_results_lack_of_the_best_items(run, registered, categories, exclude_history):
    settings = {"data": DATA, "beam": BEAM, "categories": categories, "exclude_history": exclude_history}
    summary = run("independent", "dbs-dedup", search_error="rank-all", **settings)
    plain = run("independent", "dbs-dedup", **settings)
    assert plain["search_error"] is None
    assert plain["run"] != summary["run"]
    assert plain["metrics"] == summary["metrics"]
    assert plain["timings"]["forward_passes"] == summary["timings"]["forward_passes"]
    data = ArtsSim(users=USERS, items=ITEMS).load(None, users=None)
    space = data.space(categories=categories != "none")
    slots = list(space.canvas_slots(categories))
    table = slot_log_probs(data.users, space.n_slots)[:, slots].numpy()
    rankings = pq.read_table(Path(summary["path"]) / "rankings.parquet").to_pylist()
    columns = pq.read_table(Path(summary["path"]) / "metrics.parquet").to_pydict()
    sids = [tuple(sid) for sid in space.item_sids.tolist()]
    assert len(set(sids)) == ITEMS, "no two items share a SID, so each is a result of its own"
    histories = data.test().histories.items
    lost_somewhere = 0
    for row, user in enumerate(data.users.tolist()):
        seen = set(histories[row].tolist()) if exclude_history else set()
        codes = space.item_codes[:, slots]
        probs = np.exp(table[row][np.arange(len(slots)), codes].sum(axis=1))
        best = sorted((probs[item] for item in range(ITEMS) if item not in seen), reverse=True)
        results = [
            tuple(space.from_numbers(np.array(entry["codes"]), slots)[-len(space.sid_slots) :].tolist())
            for entry in rankings
            if entry["user"] == user
        ]
        for k in (k for k in KS if k <= BEAM):
            found = sum(probs[sids.index(sid)] for sid in set(results[:k]) & set(sids))
            lost = sum(best[:k]) - found
            assert columns[f"lost@{k}"][row] == pytest.approx(lost, abs=1e-12)
            assert columns[f"lost_share@{k}"][row] == pytest.approx(lost / sum(best[:k]))
            assert columns[f"exact@{k}"][row] == float(lost < 1e-12)
            lost_somewhere += lost > 0.01 * sum(best[:k])
    assert lost_somewhere > 0


def test_a_ranking_misses_nothing_of_itself(run, registered):
    errors = run("independent", "rank-all", search_error="rank-all", data=DATA, beam=BEAM)["search_error"]
    assert all(value == float(name.startswith("exact")) for name, value in errors.items())


def test_it_is_a_setting_like_any_other(registered):
    def label(text):
        return resolve_config(ExperimentConfig("independent", "bs", data=DATA, search_error=text)).reference_label

    assert label(None) is None
    assert label("rank-all") == label(f"rank-all:n_items={ITEMS}") == "rank-all"
    assert label("rank-all:n_items=7") == "rank-all:n_items=7"


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        ("markov", "rank-items", "'markov' scores items, so search error is always measured; leave --search-error out"),
        ("independent", "bs", "--search-error is bs, which does not rank items; use rank-items"),
        ("independent", "rank", "unknown decoder 'rank'"),
    ],
)
def test_what_can_not_be_a_reference_is_refused(registered, model, text, message):
    with pytest.raises(UsageError, match=message):
        resolve_config(ExperimentConfig(model, "bs", data=DATA, search_error=text))
