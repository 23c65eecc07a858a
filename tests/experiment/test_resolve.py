"""Questions: what is refused before any data is read, what defaults become, and which questions are the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from mindrec_bench.core.backbone import Backbone
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.plugins import registry

ASKED = ExperimentConfig("markov", "dbs-penalty", data="arts-sim:users=40,items=50")


@pytest.fixture(scope="module")
def data():
    return ArtsSim(users=40, items=50).load(None, users=None, notify=pytest.fail)


@pytest.fixture
def no_data(monkeypatch):
    """Any reading of data fails."""
    monkeypatch.setattr(ArtsSim, "load", lambda *arguments, **options: pytest.fail("read the data first"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam": 0}, "--beam is 0; it must be at least 1"),
        ({"beam": -3}, "--beam is -3; it must be at least 1"),
        ({"users": 0}, "--users is 0; it must be at least 1"),
        ({"eval_users": -1}, "--eval-users is -1; it must be at least 1"),
        ({"seed": -1}, "--seed is -1; it must be from 0 to 4294967295"),
        ({"seed": 2**32}, "--seed is 4294967296; it must be from 0"),
        ({"max_minutes": 0}, "--max-minutes is 0; it must be a number above 0"),
        ({"max_minutes": -2.5}, "--max-minutes is -2.5; it must be a number above 0"),
        ({"max_minutes": float("nan")}, "--max-minutes is nan; it must be a number above 0"),
        ({"max_minutes": float("inf")}, "--max-minutes is inf; it must be a number above 0"),
        ({"categories": "givn"}, r"--categories is 'givn' \(did you mean 'given'\?\); it must be one of none, history"),
        ({"constrain": "catalog"}, r"--constrain is 'catalog' \(did you mean 'catalogue'\?\); it must be one of slots"),
        ({"split": "train"}, r"--split is 'train'.*; it must be one of test, valid"),
        ({"model": "markof"}, r"unknown model 'markof' \(did you mean 'markov'\?\)"),
        ({"decoder": "sb"}, r"unknown decoder 'sb' \(did you mean 'bs'\?\)"),
        ({"data": "art"}, r"unknown data 'art' \(did you mean 'arts'\?\)"),
        ({"model": "markov:decay=2"}, r"'markov': decay is 2.0; it must be above 0"),
        ({"model": "llada", "decoder": "rank-items"}, "decoder 'rank-items' can't work with model 'llada'"),
        ({"size": "tiny"}, "model 'markov' has no sizes; leave --size out"),
        ({"model": "llada", "size": "smal"}, r"has no size 'smal' \(did you mean 'small'\?\); it has tiny, "),
        ({"model": "llada", "exclude_history": True}, "--exclude-history needs a model that scores items, and 'llada'"),
    ],
)
def test_refused_before_data_is_read(no_data, change, message):
    with pytest.raises(UsageError, match=message):
        resolve_config(replace(ASKED, **change))


def test_names_and_labels():
    found = resolve_config(replace(ASKED, model="markov:decay=0.5,mix=0.1", data="ARTS-SIM:users=40,items=50"))
    assert (found.model_name, found.decoder_name, found.data_name) == ("markov", "dbs-penalty", "arts-sim")
    assert (found.model_label, found.decoder_label) == ("markov:decay=0.5", "dbs-penalty")
    assert found.source == ArtsSim(users=40, items=50)


@dataclass(frozen=True)
class Sized(Backbone):
    """A backbone of three sizes."""

    capability: ClassVar[str] = "denoiser"
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small", "big")
    lr: float | None = None

    def with_size_defaults(self, size):
        return self if self.lr else replace(self, lr={"tiny": 0.3, "small": 0.2, "big": 0.1}[size])

    def fit(self, task, folder):
        raise NotImplementedError

    def load(self, task, folder):
        raise NotImplementedError


@pytest.fixture
def sized(monkeypatch):
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Sized if name == "sized" else load(kind, name))
    return replace(ASKED, model="sized")


def test_a_size_by_name(sized, data):
    assert resolve_config(replace(sized, size="big")).size(data) == "big"


def test_texts_are_part_of_the_question_where_they_are_read(data):
    asked = replace(ASKED, model="idgenrec", decoder="ar-beam", categories=None)
    spec = resolve_config(asked).spec(data)
    assert spec.texts == data.texts.fingerprint
    assert spec.categories == "none", "it has no category slots, whatever the data has"
    other = replace(data.texts, title=("another", *data.texts.title[1:]))
    changed = resolve_config(asked).spec(replace(data, read_texts=lambda: other))
    assert (changed.id == spec.id, changed.fit_id == spec.fit_id) == (False, False)
    assert resolve_config(ASKED).spec(data).texts is None
    with pytest.raises(DataError, match="model 'idgenrec' reads what items are called, and no item of arts-sim has a"):
        resolve_config(asked).spec(replace(data, read_texts=lambda: None))


def test_auto_is_what_a_backbone_says(data):
    resolved = resolve_config(replace(ASKED, model="idgenrec", decoder="ar-beam"))
    assert resolved.size(data) == "tiny"
    real = replace(data, simulation=None)
    size, reason = resolved.backbone.auto_size(simulation=False, device="cpu")
    assert (resolved.size(real), resolved.why_size(real)) == (size, f" (auto: {reason})")


def test_auto_is_tiny_on_a_simulation(sized, data):
    assert resolve_config(sized).size(data) == "tiny"
    assert resolve_config(sized).size(replace(data, simulation=None)) != "tiny"
    assert resolve_config(sized).why_size(data) == " (auto: the smallest, for a simulation)"
    assert resolve_config(sized).why_size(replace(data, simulation=None)) == " (auto: the largest of this model)"
    assert resolve_config(replace(sized, size="big")).why_size(data) == ""


def test_a_model_without_sizes_has_an_empty_one(data):
    assert resolve_config(ASKED).size(data) == ""


@pytest.mark.parametrize(
    ("asked", "with_categories", "expected"),
    [
        (None, True, "generate"),
        (None, False, "none"),
        ("none", True, "none"),
        ("none", False, "none"),
        ("history", True, "history"),
        ("given", True, "given"),
    ],
)
def test_categories(data, asked, with_categories, expected):
    data = data if with_categories else replace(data, categories=None)
    assert resolve_config(replace(ASKED, categories=asked)).categories(data) == expected


@pytest.mark.parametrize("asked", ["history", "generate", "given"])
def test_categories_of_data_without_any(data, asked):
    with pytest.raises(UsageError, match="data 'arts-sim' has no categories; run it with --categories none"):
        resolve_config(replace(ASKED, categories=asked)).categories(replace(data, categories=None))


def spec(dataset, /, **change):
    return resolve_config(replace(ASKED, **change)).spec(dataset)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "markov:decay=0.8"},
        {"decoder": "dbs-penalty:variant=printed"},
        {"data": "Arts-Sim:items=50,users=40"},
        {"categories": "generate"},
        {"users": None},
        {"eval_users": 40},
        {"eval_users": 4000},
        {"max_minutes": 5.0},
    ],
    ids=str,
)
def test_the_same_question_in_other_words(data, change):
    assert spec(data, **change).id == spec(data).id


@pytest.mark.parametrize(
    "change",
    [
        {"model": "markov:decay=0.7"},
        {"model": "pop"},
        {"decoder": "dbs-penalty:variant=released"},
        {"categories": "none"},
        {"beam": 9},
        {"seed": 43},
        {"eval_users": 39},
        {"exclude_history": True},
    ],
    ids=str,
)
def test_another_question(data, change):
    assert spec(data, **change).id != spec(data).id


def test_an_option_is_the_same_question_whether_given_or_left_to_the_size(sized, data):
    def fit_id(model, size):
        return resolve_config(replace(sized, model=model, size=size)).spec(data).fit_id

    assert fit_id("sized", "tiny") == fit_id("sized:lr=0.3", "tiny") != fit_id("sized:lr=0.2", "tiny")
    assert resolve_config(replace(sized, size="small")).spec(data).model.options == {"lr": 0.2}
    assert resolve_config(replace(sized, model="sized:lr=0.5")).model_label == "sized:lr=0.5"


def test_a_time_limit_is_part_of_a_trained_models_question(sized, data):
    with_limit = replace(sized, max_minutes=5.0)
    assert resolve_config(with_limit).spec(data).fit_id != resolve_config(sized).spec(data).fit_id


def test_what_the_spec_records(data):
    found = spec(data, model="markov:decay=0.5", eval_users=7, exclude_history=True)
    assert (found.data.name, found.data.label, found.data.users) == ("arts-sim", ASKED.data, 40)
    assert found.data.fingerprint == data.fingerprint
    assert found.model.options == {"decay": 0.5, "mix": 0.1}
    assert (found.eval_users, found.exclude_history, found.max_minutes) == (7, True, None)
