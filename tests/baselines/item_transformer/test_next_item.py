"""The losses against plain references."""

from __future__ import annotations

import math

import pytest
import torch

from mindrec_baselines.esasrec import ESasRec
from mindrec_baselines.item_transformer.next_item import NextItemModel, sampled_softmax_loss
from mindrec_bench.core.dataset import Examples

from ..causal import task


def test_sampled_softmax_equals_a_plain_sum() -> None:
    torch.manual_seed(0)
    states, weight = torch.randn(4, 6), torch.randn(9, 6)
    labels, negatives = torch.tensor([0, 3, 3, 8]), torch.tensor([3, 5, 3, 1, 8])
    expected = 0.0
    for state, label in zip(states, labels, strict=True):
        scores = [float(state @ weight[item]) for item in negatives if item != label]  # the target is no negative
        positive = float(state @ weight[label])
        expected -= math.log(math.exp(positive) / (math.exp(positive) + sum(map(math.exp, scores)))) / 4
    assert float(sampled_softmax_loss(states, weight, labels, negatives)) == pytest.approx(expected, rel=1e-5)


def test_sampled_softmax_of_a_target_alone_is_zero() -> None:
    states, weight = torch.ones(1, 2), torch.ones(3, 2)
    assert float(sampled_softmax_loss(states, weight, torch.tensor([1]), torch.tensor([1, 1]))) == 0


def test_cross_entropy_is_that_of_the_answers_for_every_prefix(chain) -> None:
    """The training loss of all positions at once equals the mean over prefixes, each answered as at test."""
    backbone, chain_task = ESasRec(early_stopping="loss"), task(chain(users=5))
    network = backbone.new_network(chain_task).eval()
    sequences, _ = backbone.examples(chain_task)
    with torch.no_grad():
        loss = network(**backbone.collator(chain_task, 0)(sequences, torch.arange(len(sequences)).numpy()))["loss"]
    prefixes = chain_task.data.train_examples()
    log_probs = NextItemModel(network).begin(prefixes.histories, ()).log_probs()
    expected = -log_probs[torch.arange(len(prefixes)), torch.from_numpy(prefixes.targets)].mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_validation_is_the_full_cross_entropy_at_the_target(chain) -> None:
    backbone, chain_task = ESasRec(loss="sampled-softmax", early_stopping="loss"), task(chain(users=7))
    network = backbone.new_network(chain_task).eval()
    valid: Examples = backbone.examples(chain_task)[1]
    with torch.no_grad():
        loss = network(**backbone.collator(chain_task, 1)(valid, torch.arange(7).numpy()))["loss"]
    log_probs = NextItemModel(network).begin(valid.histories, ()).log_probs()
    expected = -log_probs[torch.arange(7), torch.from_numpy(valid.targets)].mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_validation_by_rank_is_one_minus_ndcg(chain) -> None:
    backbone, chain_task = ESasRec(early_stopping="ndcg"), task(chain(users=7))
    network = backbone.new_network(chain_task).eval()
    valid = backbone.examples(chain_task)[1]
    batch = backbone.collator(chain_task, 1)(valid, torch.arange(7).numpy())
    log_probs = NextItemModel(network).begin(valid.histories, ()).log_probs()
    ranks = [
        1 + sum(float(other) > float(row[target]) for other in row)
        for row, target in zip(log_probs, valid.targets.tolist(), strict=True)
    ]
    ndcg = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10) / 7
    assert 0 < ndcg < 1
    with torch.no_grad():
        assert float(network(**batch)["loss"]) == pytest.approx(1 - ndcg, rel=1e-5)
        assert float(network.train()(**batch)["loss"]) > 1, "training goes by the cross-entropy all the same"
