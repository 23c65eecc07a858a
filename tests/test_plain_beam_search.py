"""`benchmarks/plain_beam_search.py`: its rankings are those of the decoders that the benchmarks compare it with."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from mindrec_baselines.llada import Llada, LladaModel
from mindrec_bench.core.backbone import Task
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.testing import make_canvas
from mindrec_decoders.bs import BeamSearch
from mindrec_decoders.dbs_dedup import DbsDedup
from mindrec_decoders.dbs_penalty import DbsPenalty

DECODERS = {"bs": BeamSearch(), "dbs-dedup": DbsDedup(), "dbs-penalty": DbsPenalty()}


@pytest.fixture(scope="module")
def plain_beam_search() -> ModuleType:
    path = Path(__file__).parent.parent / "benchmarks" / "plain_beam_search.py"
    spec = importlib.util.spec_from_file_location("plain_beam_search", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data():
    return ArtsSim(users=40).load(None, users=None)


@pytest.mark.usefixtures("small_networks")
@pytest.mark.parametrize("attention", ["full", "prefix"])
@pytest.mark.parametrize("categories", [False, True], ids=["sids", "categories"])
@pytest.mark.parametrize("rule", DECODERS)
def test_rankings_are_equal(plain_beam_search, data, rule: str, categories: bool, attention: str) -> None:
    task = Task(data, data.space(categories=categories), size="tiny", quiet=True)
    network = Llada(attention=attention).new_network(task).eval().requires_grad_(False)
    for parameter in network.blocks.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    histories = data.test().histories[:8]
    stopwatch = plain_beam_search.Stopwatch()
    codes, scores = plain_beam_search.decode(network, histories, rule, 5, stopwatch)
    context = LladaModel(network).begin(histories, tuple(range(task.space.n_slots)))
    ranking = DECODERS[rule].decode(context, make_canvas(task.space, histories.users), beam=5)
    assert torch.equal(codes, ranking.codes)
    torch.testing.assert_close(scores, ranking.scores, atol=1e-5, rtol=0)
    assert len(ranking.codes[:, 0].unique(dim=0)) > 3, "users differ"
    assert set(stopwatch.seconds) == {"model", "expansion", "pruning"}
