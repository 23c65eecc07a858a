"""The two networks of `idgenrec`: histories as IDs, and the generator trained through the recommender."""

from __future__ import annotations

import torch

from mindrec_bench.core.backbone import Task

from .small_models import random_model


def test_a_history_is_the_ids_of_its_items(text_task: Task) -> None:
    """The latest item on the right, the padding on the left."""
    network = random_model(text_task).network
    items = torch.tensor([[-1, 3, 7], [1, 2, 3], [-1, -1, -1]])
    token_ids, attention_mask, _ = network.history_tokens(items)
    expected = [[token for item in row for token in network.ids[item].tolist() if item >= 0 and token] for row in items]
    assert [row[mask].tolist() for row, mask in zip(token_ids, attention_mask, strict=True)] == expected
    assert (attention_mask.int().diff(dim=1) >= 0).all()


def test_the_generator_is_trained_through_the_latest_items(text_task: Task) -> None:
    network = random_model(text_task).network
    network.set_phase("generator")
    network.train()
    assert (network.generator.training, network.recommender.training) == (True, False)
    test = text_task.data.test()
    items, targets = torch.from_numpy(test.histories.items), torch.from_numpy(test.targets)
    network(targets, items)["loss"].backward()
    assert all(parameter.grad is None for parameter in network.recommender.parameters())
    assert network.generator.embedding.weight.grad.abs().sum() > 0
    # an item beyond the reach has the embeddings of its ID, in which the generator has no part
    network.zero_grad()
    with torch.no_grad():
        expected = network.expected_embeddings(items)
    exact = network.recommender.embedding(network.ids[items.clamp(min=0)])
    assert torch.equal(expected[:, :-1], exact[:, :-1])
    assert not torch.allclose(expected[:, -1], exact[:, -1])
