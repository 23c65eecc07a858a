"""Sequences of similar length that run together."""

from __future__ import annotations

import pytest
import torch

from mindrec_baselines.code_lm import transformer
from mindrec_baselines.llada import Llada
from mindrec_baselines.llama3 import Llama3
from mindrec_bench.core.backbone import Task


@pytest.mark.usefixtures("small_networks")
@pytest.mark.parametrize("backbone", [Llada(), Llada(attention="prefix"), Llama3()], ids=["full", "prefix", "causal"])
def test_buckets_give_the_loss_and_gradients_of_the_whole_batch(chain, backbone, monkeypatch) -> None:
    """With the same dropout, which is drawn before the batch is split."""
    data = chain()
    task = Task(data, data.space(categories=True), size="tiny", quiet=True)
    examples = data.train_examples()
    batch = backbone.collator(task, 0)(examples, torch.arange(len(examples)).numpy())
    assert len((batch["items"] >= 0).sum(dim=1).unique()) > 5
    results = []
    for bucket_size in (len(examples), 7):
        monkeypatch.setattr(transformer, "BUCKET_SIZE", bucket_size)
        network = backbone.new_network(task).train()
        torch.manual_seed(1)
        loss = network(**batch)["loss"]
        loss.backward()
        results.append((loss, {name: parameter.grad for name, parameter in network.named_parameters()}))
    (whole, gradients), (bucketed, bucketed_gradients) = results
    torch.testing.assert_close(bucketed, whole, atol=0, rtol=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(bucketed_gradients[name], gradient, atol=1e-6, rtol=1e-4)


def test_a_bucket_is_cut_to_its_longest_sequence(chain, monkeypatch) -> None:
    data = chain()
    task = Task(data, data.space(categories=False), size="tiny", quiet=True)
    examples = data.train_examples()
    network = Llada().new_network(task).eval()
    monkeypatch.setattr(transformer, "BUCKET_SIZE", 10)
    shapes: list[tuple[int, ...]] = []
    network.blocks.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    network(**Llada().collator(task, 0)(examples, torch.arange(len(examples)).numpy()))
    lengths = sorted((examples.histories.items >= 0).sum(axis=1).tolist())
    buckets = [lengths[first : first + 10] for first in range(0, len(lengths), 10)]
    assert shapes == [(len(bucket), bucket[-1] + 4) for bucket in buckets]
