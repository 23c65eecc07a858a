"""Blocks that run sequences of like length together."""

from __future__ import annotations

import pytest
import torch

from mindrec_baselines.code_lm import transformer
from mindrec_baselines.llada import Llada
from mindrec_baselines.llama3 import Llama3
from mindrec_bench.core.backbone import Task


@pytest.mark.parametrize("backbone", [Llada(), Llada(attention="prefix"), Llama3()], ids=["full", "prefix", "causal"])
def test_parts_of_a_batch_give_the_loss_and_gradients_of_the_whole(chain, backbone, monkeypatch) -> None:
    """The same dropout too: it is drawn before the batch is parted."""
    data = chain()
    task = Task(data, data.space(categories=True), size="tiny", quiet=True)
    examples = data.train_examples()
    batch = backbone._collate(task, 0)(examples, torch.arange(len(examples)).numpy())
    assert len((batch["items"] >= 0).sum(dim=1).unique()) > 5
    found = []
    for alike in (len(examples), 7):
        monkeypatch.setattr(transformer, "BUCKET_SIZE", alike)
        network = backbone._network(task).train()
        torch.manual_seed(1)
        loss = network(**batch)["loss"]
        loss.backward()
        found.append((loss, {name: part.grad for name, part in network.named_parameters()}))
    (whole, gradients), (parted, others) = found
    torch.testing.assert_close(parted, whole, atol=0, rtol=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, atol=1e-6, rtol=1e-4)


def test_only_the_longest_of_a_part_is_run(chain, monkeypatch) -> None:
    data = chain()
    task = Task(data, data.space(categories=False), size="tiny", quiet=True)
    examples = data.train_examples()
    network = Llada()._network(task).eval()
    monkeypatch.setattr(transformer, "BUCKET_SIZE", 10)
    run: list[tuple[int, ...]] = []
    network.blocks.register_forward_pre_hook(
        lambda module, args, kwargs: run.append(tuple(kwargs["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    network(**Llada()._collate(task, 0)(examples, torch.arange(len(examples)).numpy()))
    lengths = sorted((examples.histories.items >= 0).sum(axis=1).tolist())
    parts = [lengths[first : first + 10] for first in range(0, len(lengths), 10)]
    assert run == [(len(part), part[-1] + 4) for part in parts]
