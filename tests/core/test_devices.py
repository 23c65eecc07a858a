"""A network on a device without float64: the search runs on the CPU. `meta` stands in for the other device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from mindrec_baselines.common.untrained import UntrainedModel
from mindrec_bench.core.code_space import MASK, CodeSpace
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.devices import CrossDeviceModel, search_device
from mindrec_bench.core.lifting import adapt

SPACE = CodeSpace.build(np.array([[0, 0], [1, 2], [1, 0]]))
HISTORIES = Histories(np.full((1, 1), -1), np.arange(1))
SLOTS = (0, 1)


@dataclass
class Network:
    """A model that is its own context; it keeps the devices of what it is asked."""

    devices: list[str]

    def begin(self, histories, slots):
        return self

    def log_probs(self, revealed, slots):
        self.devices.append(revealed.device.type)
        return torch.zeros(*revealed.shape[:2], len(slots), 3)

    def next_log_probs(self, prefix):
        self.devices.append(prefix.device.type)
        return torch.zeros(*prefix.shape[:2], 3)


def ask(context, device="cpu"):
    """One question of each kind; the devices of the answers."""
    states = torch.full((1, 1, 2), MASK, device=device)
    return [context.log_probs(states, SLOTS).device.type, context.next_log_probs(states[:, :, :1]).device.type]


def test_the_search_is_where_the_network_is_except_on_mps():
    assert [search_device(device) for device in ("cpu", "cuda", "mps")] == ["cpu", "cuda", "cpu"]


def test_states_go_to_the_network_and_answers_come_back():
    there, back = Network([]), Network([])
    ask(CrossDeviceModel(there, "meta", "cpu").begin(HISTORIES, SLOTS))
    assert there.devices == ["meta", "meta"]
    assert ask(CrossDeviceModel(back, "cpu", "meta").begin(HISTORIES, SLOTS)) == ["meta", "meta"]


@pytest.mark.parametrize(
    ("capability", "needs"), [("denoiser", "denoiser"), ("denoiser", "causal"), ("causal", "causal")]
)
def test_networks_are_adapted_where_the_devices_differ(monkeypatch, capability, needs):
    network = Network([])
    monkeypatch.setattr("mindrec_bench.core.devices.WITHOUT_FLOAT64", ("meta",))
    context = adapt(network, capability, needs, SPACE, "meta").begin(HISTORIES, SLOTS)
    states = torch.full((1, 1, 2), MASK)
    log_probs = context.log_probs(states, SLOTS) if needs == "denoiser" else context.next_log_probs(states[:, :, :1])
    assert network.devices == ["meta"]
    assert log_probs.device.type == "cpu"


def test_models_without_a_network_answer_where_the_search_is():
    model = UntrainedModel(lambda items: np.log(np.full((1, 3), 1 / 3)), "mps")
    assert model.begin(HISTORIES, SLOTS).log_probs().device.type == "cpu"
    assert adapt(model, "items", "items", SPACE, "mps") is model
