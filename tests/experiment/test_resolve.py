"""Resolving: what is refused before any data is read, what defaults become, and which configs are the same run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from mindrec_bench.core.backbone import Backbone
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config

CONFIG = ExperimentConfig("markov", "dbs-penalty", data="arts-sim:users=40,items=50")


@pytest.fixture(scope="module")
def data():
    return ArtsSim(users=40, items=50).load(None, users=None)


@pytest.fixture
def no_data(monkeypatch):
    """Reading data fails the test."""
    monkeypatch.setattr(ArtsSim, "load", lambda *arguments, **options: pytest.fail("read the data first"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam": 0}, "--beam is 0; it must be at least 1"),
        ({"beam": -3}, "--beam is -3; it must be at least 1"),
        ({"users": 0}, "--users is 0; it must be at least 1"),
        ({"eval_users": -1}, "--eval-users is -1; it must be at least 1"),
        ({"seed": -1}, "--seed is -1; it must be at least 0"),
        ({"seed": 2**32}, "--seed is 4294967296; it must be at most 4294967295"),
        ({"max_minutes": 0}, "--max-minutes is 0; it must be above 0"),
        ({"max_minutes": -2.5}, "--max-minutes is -2.5; it must be above 0"),
        ({"max_minutes": float("nan")}, "--max-minutes is nan; it must be a finite number"),
        ({"max_minutes": float("inf")}, "--max-minutes is inf; it must be a finite number"),
        ({"categories": "givn"}, r"--categories is 'givn' \(did you mean 'given'\?\); it must be one of none, history"),
        ({"constrain": "catalog"}, r"--constrain is 'catalog' \(did you mean 'catalogue'\?\); it must be one of slots"),
        ({"holdout": "tim:0.9"}, "--holdout is 'tim:0.9'; it must be leave-one-out, time:SHARE"),
        ({"history": 0}, "--history is 0; it must be at least 1"),
        ({"split": "train"}, r"--split is 'train'.*; it must be one of test, valid"),
        ({"model": "markof"}, r"unknown model 'markof' \(did you mean 'markov'\?\)"),
        ({"decoder": "sb"}, r"unknown decoder 'sb' \(did you mean 'bs'\?\)"),
        ({"data": "art"}, r"unknown data 'art' \(did you mean 'arts'\?\)"),
        ({"model": "markov:decay=2"}, r"'markov': decay is 2.0; it must be above 0"),
        ({"model": "llama3", "decoder": "bs"}, "decoder 'bs' can't work with model 'llama3'"),
        ({"size": "tiny"}, "model 'markov' has no sizes; leave --size out"),
        ({"model": "llada", "size": "smal"}, r"has no size 'smal' \(did you mean 'small'\?\); it has tiny, "),
    ],
)
def test_refused_before_data_is_read(no_data, change, message):
    with pytest.raises(UsageError, match=message):
        resolve_config(replace(CONFIG, **change))


def test_names_and_labels():
    resolved = resolve_config(replace(CONFIG, model="markov:decay=0.5,mix=0.1", data="ARTS-SIM:users=40,items=50"))
    assert (resolved.model_name, resolved.decoder_name, resolved.data_name) == ("markov", "dbs-penalty", "arts-sim")
    assert (resolved.model_label, resolved.decoder_label) == ("markov:decay=0.5", "dbs-penalty")
    assert resolved.source == ArtsSim(users=40, items=50)


@dataclass(frozen=True)
class SizedBackbone(Backbone):
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
def sized(register):
    register("model", "sized", SizedBackbone)
    return replace(CONFIG, model="sized")


def test_size_by_name(sized, data):
    assert resolve_config(replace(sized, size="big")).size(data) == "big"


def test_texts_are_part_of_the_id_where_they_are_read(data):
    config = replace(CONFIG, model="idgenrec", decoder="ar-beam", categories=None)
    spec = resolve_config(config).run_spec(data)
    assert spec.texts == data.texts.fingerprint
    assert spec.categories == "none", "the model has no category slots, whatever the data has"
    other_texts = replace(data.texts, title=("another", *data.texts.title[1:]))
    changed = resolve_config(config).run_spec(replace(data, read_texts=lambda: other_texts))
    assert (changed.id == spec.id, changed.fit.id == spec.fit.id) == (False, False)
    assert resolve_config(CONFIG).run_spec(data).texts is None
    with pytest.raises(DataError, match="model 'idgenrec' reads item texts, and no item of arts-sim has a"):
        resolve_config(config).run_spec(replace(data, read_texts=lambda: None))


def test_auto_is_chosen_by_the_backbone(data):
    resolved = resolve_config(replace(CONFIG, model="idgenrec", decoder="ar-beam"))
    assert resolved.size(data) == "tiny"
    real = replace(data, simulation=None)
    size, reason = resolved.backbone.auto_size(simulation=False, device="cpu")
    assert (resolved.size(real), resolved.size_reason(real)) == (size, f" (auto: {reason})")


def test_auto_is_the_smallest_on_a_simulation(sized, data):
    assert resolve_config(sized).size(data) == "tiny"
    assert resolve_config(sized).size(replace(data, simulation=None)) != "tiny"
    assert resolve_config(sized).size_reason(data) == " (auto: the smallest, for a simulation)"
    assert resolve_config(sized).size_reason(replace(data, simulation=None)) == " (auto: the largest of this model)"
    assert resolve_config(replace(sized, size="big")).size_reason(data) == ""


def test_size_of_a_model_without_sizes_is_empty(data):
    assert resolve_config(CONFIG).size(data) == ""


@pytest.mark.parametrize(
    ("requested", "with_categories", "expected"),
    [
        (None, True, "generate"),
        (None, False, "none"),
        ("none", True, "none"),
        ("none", False, "none"),
        ("history", True, "history"),
        ("given", True, "given"),
    ],
)
def test_categories(data, requested, with_categories, expected):
    data = data if with_categories else replace(data, categories=None)
    assert resolve_config(replace(CONFIG, categories=requested)).categories(data) == expected


@pytest.mark.parametrize("requested", ["history", "generate", "given"])
def test_categories_of_data_without_any(data, requested):
    with pytest.raises(UsageError, match="data 'arts-sim' has no categories; run it with --categories none"):
        resolve_config(replace(CONFIG, categories=requested)).categories(replace(data, categories=None))


def spec(dataset, /, **change):
    return resolve_config(replace(CONFIG, **change)).run_spec(dataset)


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
def test_equal_configs_in_other_words_have_one_id(data, change):
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
def test_other_configs_have_other_ids(data, change):
    assert spec(data, **change).id != spec(data).id


def test_option_given_or_left_to_the_size_has_one_fit_id(sized, data):
    def fit_id(model, size):
        return resolve_config(replace(sized, model=model, size=size)).run_spec(data).fit.id

    assert fit_id("sized", "tiny") == fit_id("sized:lr=0.3", "tiny") != fit_id("sized:lr=0.2", "tiny")
    assert resolve_config(replace(sized, size="small")).run_spec(data).model.options == {}
    assert resolve_config(replace(sized, model="sized:lr=0.5")).model_label == "sized:lr=0.5"


def test_time_limit_is_part_of_the_fit_id_of_trained_models(sized, data):
    with_limit = replace(sized, max_minutes=5.0)
    assert resolve_config(with_limit).run_spec(data).fit.id != resolve_config(sized).run_spec(data).fit.id


def test_fields_of_the_spec(data):
    recorded = spec(data, model="markov:decay=0.5", eval_users=7, exclude_history=True)
    assert (recorded.data.name, recorded.data.users) == ("arts-sim", 40)
    assert recorded.data.fingerprint == data.fingerprint
    assert recorded.model.options == {"decay": 0.5}
    assert (recorded.eval_users, recorded.exclude_history, recorded.max_minutes) == (7, True, None)
