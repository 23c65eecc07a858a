"""One user of a run in detail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.fitted_run import set_up_again
from mindrec_bench.experiment.run import run_experiment
from mindrec_bench.experiment.user_trace import TRACES, keep_traces, read_traces, trace_users

from .helpers import DATA


@pytest.fixture
def traced(tmp_path):
    """traced("adaptive"): the run, its context, and the traces of its first users."""

    def trace(decoder, eval_users=12, **settings):
        options = ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")
        run = run_experiment(
            ExperimentConfig("markov", decoder, data=DATA, eval_users=eval_users, **settings), options
        ).run
        context = set_up_again(run, options)
        users = [str(user) for user in context.examples.histories.users.tolist()]
        return run, context, list(trace_users(context, users))

    return trace


@pytest.mark.parametrize("decoder", ["dbs-dedup", "ar-beam", "rank-items"])
@pytest.mark.parametrize("categories", ["generate", "history", "given"])
def test_traces_are_what_the_run_stored(traced, decoder, categories):
    run, context, traces = traced(decoder, categories=categories)
    assert [trace.hit_rank for trace in traces] == run.per_user()["hit_rank"].tolist()
    assert any(trace.hit_rank for trace in traces)
    stored = run.rankings().to_pydict()
    scores = [result.score for trace in traces for result in trace.results]
    np.testing.assert_allclose(scores, stored["score"], atol=1e-9)
    targets = context.examples.targets.tolist()
    assert [trace.target.item for trace in traces] == [context.dataset.item_ids[item] for item in targets]
    for trace in traces:
        assert trace.exact is not None
        assert trace.exact.best[0][1] >= trace.exact.probability
        if decoder == "rank-items":
            assert (trace.steps, trace.pruned) == (0, None)
            assert [r.item for r in trace.results][:5] == [item for item, _ in trace.exact.best][:5]
            continue
        for result in trace.results:
            assert np.prod([code.probability for code in result.path]) == pytest.approx(np.exp(result.score))
            assert result.path[-1].meaning.items_left == (
                0 if result.item is None else result.path[-1].meaning.items_left
            )
        if trace.pruned is None:
            assert trace.hit_rank
        else:
            assert 1 <= trace.pruned.step <= trace.steps


def test_the_first_code_of_a_path_names_its_category(traced):
    _, context, (trace, *_) = traced("dbs-dedup")
    first = trace.results[0].path[0]
    assert first.slot == "category 1"
    texts = context.dataset.texts.categories
    assert first.meaning.category in {text.split(",")[1] for text in texts}
    lefts = [code.meaning.items_left for code in trace.results[0].path]
    assert lefts == sorted(lefts, reverse=True)
    assert trace.target.words
    assert trace.history


def test_kept_traces_are_read_again_and_are_no_part_of_the_run(traced):
    run, _, traces = traced("dbs-dedup")
    assert read_traces(run) == {}
    keep_traces(run, traces[:1])
    keep_traces(run, traces[1:3])
    assert read_traces(run) == {trace.user: trace for trace in traces[:3]}
    again, _, _ = traced("dbs-dedup")
    assert (again.id, again.files) == (run.id, run.files)
    path = run.path / TRACES
    assert read_traces(replace(run, files={**run.files, "rankings.parquet": "of another computation"})) == {}
    text = path.read_text()
    path.write_text(text.replace("0.", "1.", 1))
    with pytest.raises(DataError, match=r"traces.json is damaged.*--trace USER"):
        read_traces(run)
    keep_traces(run, traces[:1])
    assert list(read_traces(run)) == [traces[0].user]


def test_an_unknown_user_is_named(traced):
    _, context, _ = traced("dbs-dedup")
    with pytest.raises(UsageError, match="no user 'x'"):
        next(trace_users(context, ["x"]))
