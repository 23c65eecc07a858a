"""The registered decoders: conformance, options, and modules that are quick to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import registry
from mindrec_bench.testing import check_decoder

DEFAULTS = ["rank-items", "bs", "dbs-dedup", "dbs-penalty"]
OTHERS = [
    "rank-items:certify=yes,shortlist=1,states=40",
    "rank-items:order=entropy,score=order,shortlist=3",
    "bs:normalise=slot,propose=sample",
    "bs:repeats=sum",
    "dbs-dedup:propose=sample",
    "dbs-penalty:normalise=slot",
    "dbs-penalty:variant=released",
]


# The other options are compared with the reference in tests/decoders/search.
@pytest.mark.parametrize("spec", [*DEFAULTS, *(pytest.param(spec, marks=pytest.mark.slow) for spec in OTHERS)])
def test_conforms(spec):
    check_decoder(registry.make("decoder", spec)[1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bs:normalise=all", "allowed: vocabulary, slot"),
        ("bs:repeats=max", "allowed: count, sum"),
        ("dbs-dedup:propose=best", "allowed: top, sample"),
        ("dbs-penalty:variant=print", "allowed: printed, released"),
        ("bs:variant=released", "no option 'variant'"),
    ],
)
def test_options_are_closed(spec, message):
    with pytest.raises(UsageError, match=message):
        registry.make("decoder", spec)


def test_registration_imports_no_torch():
    modules = "adaptive, ar_beam, block_m, bs, dbs_dedup, dbs_penalty, n_per_step, rank_items"
    code = f"import sys; from mindrec_decoders import {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
