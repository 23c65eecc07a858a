"""Results in a model's own codes are scored as the items they identify; diversity counts the model's codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from mindrec_bench.core.backbone import Backbone
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.interchange.export import export_run
from mindrec_bench.metrics.lists import Catalogue, score_lists, score_sequences
from mindrec_bench.metrics.model_codes import ModelCodes
from mindrec_bench.plugins import registry
from mindrec_bench.report.table_spec_io import parse_table_spec
from mindrec_bench.report.tables.build import build_table
from mindrec_bench.report.tables.footnotes import footnotes
from mindrec_bench.report.tables.run_data import load_systems
from mindrec_bench.store.run_summary import SlotCounts
from mindrec_bench.store.runs import Run

IDS = np.array([[7, 9, -1], [7, -1, -1], [5, 9, -1], [5, 9, 6]])
MODEL = ModelCodes(CodeSpace.build(np.pad(IDS, ((0, 0), (0, 1)), constant_values=-1)), "a word")
DATA = CodeSpace.build(np.array([[1, 1], [1, 2], [1, 1], [3, 2]]))
"""Items 0 and 2 share a SID."""

PADDING = [-1, -1, -1, -1]
LISTS = np.array(
    [
        [[7, -1, -1, -1], [5, 9, -1, -1], PADDING],
        [[5, 9, 6, -1], [5, -1, -1, -1], [5, -1, -1, -1]],
        [PADDING, PADDING, PADDING],
    ]
)
"""Items 1 and 2; item 3 and twice the same ID of no item; nothing."""


def test_a_result_is_the_item_that_its_codes_identify() -> None:
    sequences, _ = MODEL.read(LISTS, DATA)
    sids = DATA.sid_index.item_sequences
    assert sequences[0].tolist() == [sids[1], sids[2], -1]
    assert sequences[1, 0] == sids[3]
    assert sequences[1, 1] == sequences[1, 2]
    assert sequences[1, 1] not in (*sids, -1), "an ID of no item has a number of its own"
    assert sequences[2].tolist() == [-1, -1, -1]


def test_codes_are_counted_and_ends_are_not() -> None:
    _, counts = MODEL.read(LISTS, DATA)
    # Slot 0: 5 four times, 7 once; slot 1: 9 twice; slot 2: 6 once; slot 3 has nothing but ends.
    assert counts.counts.tolist() == [4, 1, 2, 1]
    p = np.array([4, 1, 2, 1]) / 8
    assert counts.entropy == pytest.approx(-(p * np.log2(p)).sum())
    assert counts.ttr == pytest.approx(4 / 8)
    assert MODEL.slot_sizes == (2, 1, 1, 0)


def test_a_hit_is_a_sid_match() -> None:
    sequences, counts = MODEL.read(LISTS, DATA)
    catalogue = Catalogue(DATA, np.array([4, 3, 2, 1]))
    columns, corpus = score_sequences(sequences, counts, np.array([0, 1, 1]), catalogue)
    assert columns["hit_rank"].tolist() == [2, 0, 0], "item 2 was recommended, and item 0 shares its SID"
    assert columns["results"].tolist() == [2, 3, 0]
    assert columns["valid"].tolist() == [2, 1, 0]
    assert columns["duplicates"].tolist() == [0, 1, 0]
    assert corpus.recommended.tolist() == [1, 1, 1]


def test_with_the_codes_of_the_data_both_ways_of_scoring_agree() -> None:
    rng = np.random.default_rng(0)
    space = CodeSpace.build(np.unique(rng.integers(0, 5, (60, 3)), axis=0))
    catalogue = Catalogue(space, rng.integers(0, 9, space.n_items))
    lists = rng.integers(0, 5, (40, 6, 3))
    lists[rng.random((40, 6)) < 0.1] = -1
    targets = rng.integers(0, space.n_items, 40)
    sequences, counts = ModelCodes(space, "a code").read(space.to_numbers(lists, space.sid_slots), space)
    (columns, corpus), (expected, expected_corpus) = (
        score_sequences(sequences, counts, targets, catalogue),
        score_lists(lists, targets, catalogue),
    )
    assert all((columns[name] == expected[name]).all() for name in columns)
    assert (corpus.codes.counts == expected_corpus.codes.counts).all()
    assert (corpus.recommended == expected_corpus.recommended).all()


CONFIG = ExperimentConfig("namer", "ar-beam", data="arts-sim:users=40,items=60", beam=4, constrain="catalogue")


@dataclass(frozen=True)
class Namer(Backbone):
    """Identifies items by numbers of one or two digits, with the same probabilities for everyone."""

    capability: ClassVar[str] = "causal"
    sizes: ClassVar[tuple[str, ...]] = ()
    model_codes: ClassVar[str] = "a digit at its place"

    def with_size_defaults(self, size: str) -> Namer:
        return self

    def load(self, task: Any, folder: Path) -> NamerModel:
        number = np.arange(task.data.n_items)
        ids = np.stack([np.where(number < 10, number, number // 10), np.where(number < 10, -1, number % 10)], axis=1)
        return NamerModel(CodeSpace.build(np.pad(ids, ((0, 0), (0, 1)), constant_values=-1)))

    fit = load


@dataclass(frozen=True, eq=False)
class NamerModel:
    code_space: CodeSpace

    def begin(self, histories: Any, slots: tuple[int, ...]) -> NamerModel:
        assert slots == self.code_space.sid_slots
        return self

    def next_log_probs(self, prefix: torch.Tensor) -> torch.Tensor:
        sizes = self.code_space.sizes
        size = sizes[prefix.shape[2]]
        log_probs = torch.arange(size, 0, -1, dtype=torch.float64).log_softmax(0)
        return torch.nn.functional.pad(log_probs, (0, max(sizes) - size), value=-torch.inf).expand(
            *prefix.shape[:2], -1
        )


@pytest.fixture
def namer(register: Callable[[registry.Kind, str, type], None]) -> None:
    register("model", "namer", Namer)


@pytest.fixture
def run(namer: None, tmp_path: Path) -> Run:
    return run_experiment(CONFIG, ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")).run


def test_a_run_stores_ids_and_their_items(run: Run) -> None:
    table = pq.read_table(run.path / "rankings.parquet")
    codes, items = np.array(table["codes"].to_pylist()), table["item"].to_pylist()
    assert codes.shape == (40 * 4, 3)
    assert [str(int("".join(str(code) for code in row if code >= 0))) for row in codes] == items
    assert run.summary.metrics["valid"] == 1.0
    assert run.spec.categories == "none"
    assert run.summary.slots == SlotCounts(0, 3, 20, (10, 10, 0), Namer.model_codes)
    assert "Entropy and TTR do not compare" in run.summary.notes[-1]


def test_hits_are_those_of_the_items(run: Run) -> None:
    data = ArtsSim(users=40, items=60).load(None, users=None)
    index = {item: number for number, item in enumerate(data.item_ids)}
    table = pq.read_table(run.path / "rankings.parquet")
    items = np.array([index[item] for item in table["item"].to_pylist()]).reshape(40, 4)
    hits = (data.sids[items] == data.sids[data.test().targets][:, None]).all(axis=2).any(axis=1)
    assert run.summary.metrics["hr@3"] <= hits.mean()
    stored = pq.read_table(run.path / "metrics.parquet")
    assert ((stored["hit_rank"].to_numpy() > 0) == hits).all()


def test_without_the_constraint_an_id_of_no_item_has_none(namer: None, tmp_path: Path) -> None:
    config = ExperimentConfig("namer", "ar-beam", data=CONFIG.data, beam=30, constrain="slots")
    run = run_experiment(config, ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")).run
    items = pq.read_table(run.path / "rankings.parquet")["item"].to_pylist()
    assert run.summary.metrics["valid"] == pytest.approx(sum(item is not None for item in items) / len(items))
    assert 0 < run.summary.metrics["valid"] < 1, "60 to 99 are no items, nor is a digit after the end of an ID"


def test_comparisons_and_exports_read_model_codes(run: Run, tmp_path: Path) -> None:
    """The significance tests count the codes that the summary counts; export writes SIDs of items."""
    (system,) = load_systems([("namer", [run])], with_codes=True)
    assert system.counts.sum() == pytest.approx(run.summary.metrics["distinct_codes"] / run.summary.metrics["ttr"])
    data = ArtsSim(users=40, items=60).load(None, users=None)
    results, _ = export_run(run, "trec", tmp_path / "out")
    named = {line.split()[2].partition("#")[0] for line in results.read_text().splitlines()}
    assert named <= {"-".join(map(str, sid)) for sid in data.sids.tolist()}


def test_a_table_notes_that_diversity_does_not_compare(run: Run, namer: None, tmp_path: Path) -> None:
    markov = ExperimentConfig("markov", "rank-items", data=CONFIG.data, beam=4)
    runs = [run, run_experiment(markov, ExecutionOptions(runs_dir=tmp_path / "runs")).run]
    rows = '[[rows]]\nlabel="Names"\nmodel="namer"\ndecoder="ar-beam"\nconstrain="catalogue"\n' + (
        '[[rows]]\nlabel="Counts"\nmodel="markov"\ndecoder="rank-items"\n'
    )
    head = f'title="t"\ndata=["{CONFIG.data}"]\nmetrics=["ttr"]\nbeam=4\n'
    notes = footnotes(build_table(parse_table_spec(head + rows, "mine", "mine.toml"), runs))
    (code_note,) = [note for note in notes if "'Names'" in note]
    assert code_note.startswith(
        f"A code of 'Names' on {CONFIG.data} is a digit at its place: its Entropy and TTR do not"
    )
    sizes = runs[1].summary.slots.sid_codes
    assert any(f"{sizes} codes over 640 tokens (40 users, 4 results of 4 codes)" in note for note in notes)


def test_category_slots_are_refused(namer: None) -> None:
    for categories in ("history", "generate", "given"):
        with pytest.raises(UsageError, match="which have no category slots"):
            resolve_config(ExperimentConfig("namer", "ar-beam", categories=categories))
    assert resolve_config(ExperimentConfig("namer", "ar-beam", categories="none"))
