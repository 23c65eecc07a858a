"""Which specs are the same run, and which share a fitted model."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.io.hashing import canonical_json, short_hash, to_jsonable
from mindrec_bench.store.run_spec import DecoderSpec, FitSpec, RunSpec, folder_name

CHANGES = {
    "data.name": "games",
    "data.fingerprint": "ffff",
    "data.users": 4999,
    "model.name": "other",
    "model.options": {"p_mask": 0.5, "shuffle": True},
    "model.size": "small",
    "model.inference": {"refresh": 2},
    "model.files": {"checkpoint": "ab"},
    "model.code": "0123456789ab",
    "decoder.name": "dbs-dedup",
    "decoder.options": {"normalise": "slot"},
    "decoder.code": "0123456789ab",
    "categories": "none",
    "constrain": "catalogue",
    "beam": 11,
    "seed": 43,
    "eval_users": 100,
    "exclude_history": True,
    "search_error": "rank-items",
    "max_minutes": 30.0,
    "split": "valid",
    "holdout": "time:0.9",
    "history": 20,
    "train_devices": 2,
    "contract": 999,
    "texts": "0123456789ab",
}
CHANGES_THE_FIT = {
    "data.fingerprint", "model.name", "model.options", "model.size", "model.files", "model.code", "categories", "seed",
    "max_minutes", "contract", "train_devices", "texts", "holdout", "history",
}  # fmt: skip


def changed(spec: RunSpec, field: str) -> RunSpec:
    part, _, name = field.partition(".")
    value = CHANGES[field]
    return replace(spec, **{part: replace(getattr(spec, part), **{name: value}) if name else value})


def test_list_of_changes_is_complete(run_spec):
    names = set()
    for field in dataclasses.fields(run_spec):
        value = getattr(run_spec, field.name)
        inner = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
        names |= {f"{field.name}.{part.name}" for part in inner} or {field.name}
    assert names == set(CHANGES)


@dataclass(frozen=True, kw_only=True)
class LaterSpec(RunSpec):
    """A spec with a field that was added later."""

    added: int = 0


def test_a_field_that_is_added_later_changes_no_id(run_spec):
    later = LaterSpec(**{field.name: getattr(run_spec, field.name) for field in dataclasses.fields(run_spec)})
    assert later.id == run_spec.id
    assert replace(later, added=1).id != run_spec.id


def test_an_id_is_the_hash_of_the_contract_and_of_what_differs_from_the_defaults(run_spec):
    assert replace(run_spec, beam=20).id == short_hash(
        {
            "contract": run_spec.contract,
            "data": {"name": "Arts", "fingerprint": "0123abcd", "users": 5000},
            "model": {"name": "llada", "options": {"p_mask": 0.6, "shuffle": True}, "size": "tiny"},
            "decoder": {"name": "dbs-penalty", "options": {"normalise": "all"}},
            "categories": "generate",
            "beam": 20,
        }
    )


@pytest.mark.parametrize("field", CHANGES)
def test_every_change_changes_the_id(run_spec, field):
    assert changed(run_spec, field).id != run_spec.id


@pytest.mark.parametrize("field", CHANGES)
def test_only_changes_that_training_sees_change_the_fit_id(run_spec, field):
    assert (changed(run_spec, field).fit.id != run_spec.fit.id) == (field in CHANGES_THE_FIT)


def test_ids_are_short_hex_and_do_not_depend_on_the_order_of_options(run_spec):
    options = dict(reversed(run_spec.model.options.items()))
    assert list(options) != list(run_spec.model.options)
    assert replace(run_spec, model=replace(run_spec.model, options=options)).id == run_spec.id
    assert re.fullmatch("[0-9a-f]{12}", run_spec.id)
    assert re.fullmatch("[0-9a-f]{12}", run_spec.fit.id)


@pytest.mark.parametrize("categories", ["history", "generate", "given"])
def test_uses_of_categories_share_a_fitted_model(run_spec, categories):
    assert replace(run_spec, categories=categories).fit.id == run_spec.fit.id


def test_whole_number_limit_has_the_same_id(run_spec):
    assert replace(run_spec, max_minutes=60).id == replace(run_spec, max_minutes=60.0).id


@pytest.mark.parametrize("field", CHANGES)
def test_json_round_trip(run_spec, field):
    spec = changed(run_spec, field)
    assert RunSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec
    assert FitSpec.from_dict(json.loads(json.dumps(spec.fit.as_dict()))) == spec.fit


@pytest.mark.parametrize(
    "wrong", [{"beam": 2.7}, {"beam": "10"}, {"unknown": 1}, {"constrain": "all"}, {"data": {"name": "Arts"}}]
)
def test_other_json_is_refused(run_spec, wrong):
    with pytest.raises(ValueError, match="validation error"):
        RunSpec.from_dict({**run_spec.as_dict(), **wrong})


@pytest.mark.parametrize("name", ["fit", "FIT", ".fit"])
def test_reserved_decoder_names_are_refused(run_spec, name):
    with pytest.raises(UsageError, match="folder of fitted models"):
        replace(run_spec, decoder=DecoderSpec(name, {}))


@pytest.mark.parametrize(
    ("name", "folder"), [("Arts", "Arts"), ("../up", "-up"), ("..", "-"), ("", "-"), ("my data/x", "my-data-x")]
)
def test_folder_name_is_one_safe_part(name, folder):
    assert folder_name(name) == folder


def test_to_jsonable_converts_numpy_and_not_a_number():
    value = {1: (np.float64(0.5), np.int32(2), float("nan"), np.float32("inf")), "b": np.array([True, False])}
    assert to_jsonable(value) == {"1": [0.5, 2, None, None], "b": [True, False]}
    assert canonical_json({"b": 1, "a": (1, 2)}) == '{"a":[1,2],"b":1}'


STORED = sorted((Path(__file__).parents[2] / "results" / "runs").rglob("spec.json"))


def test_stored_results_keep_their_ids():
    assert len(STORED) > 20
    for path in STORED:
        assert RunSpec.from_dict(json.loads(path.read_text())).id == path.parent.name
