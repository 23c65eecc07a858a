"""Canonical JSON and hashes."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from mindrec_bench.io.hashing import canonical_json, sha256, short_hash, to_jsonable


def test_values_in_the_types_of_json():
    value = {1: (np.float64(0.5), np.int64(3), math.nan), "b": np.arange(2), "c": [True, None, "é"], "d": -math.inf}
    assert to_jsonable(value) == {"1": [0.5, 3, None], "b": [0, 1], "c": [True, None, "é"], "d": None}


def test_equal_values_have_one_text_and_hash():
    a, b = {"x": (1, 2), "y": "é"}, {"y": "é", "x": [1, 2]}
    assert canonical_json(a) == canonical_json(b) == '{"x":[1,2],"y":"é"}'
    assert short_hash(a) == short_hash(b) == hashlib.sha256('{"x":[1,2],"y":"é"}'.encode()).hexdigest()[:12]
    assert short_hash(a) != short_hash({"x": (1, 2), "y": "e"})


def test_the_hash_of_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()
