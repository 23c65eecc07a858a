"""The networks of `idgenrec`: search that is exact, histories that are IDs, a generator that is judged."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from mindrec_baselines.textual_ids.model import IdModel
from mindrec_baselines.textual_ids.subwords import END, PAD
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Histories
from mindrec_bench.testing import make_canvas
from mindrec_decoders.ar_beam import ArBeam

from .drawn import random_model


def scores_of_all_items(model: IdModel, items: np.ndarray) -> Tensor:
    """log p of every item's whole ID by T5 of transformers, sequence by sequence, no cache. Shape: (B, N)"""
    network = model.network.recommender
    config = T5Config(**{**network.t5.config.to_dict(), "tie_word_embeddings": True})
    t5 = T5ForConditionalGeneration(config).eval()
    lacks = t5.load_state_dict(network.t5.state_dict(), strict=False)
    assert lacks.unexpected_keys == []
    t5.shared.weight.data.copy_(network.embedding.weight)
    assert t5.lm_head.weight is t5.shared.weight
    ids = [[token for token in row if token not in (PAD, END)] for row in model.network.ids.tolist()]
    found = torch.zeros(len(items), len(ids), dtype=torch.float64)
    for user, history in enumerate(items):
        read = torch.tensor([[token for item in history if item >= 0 for token in [*ids[item], END]]])
        for item, tokens in enumerate(ids):
            with torch.no_grad():
                logits = t5(input_ids=read, decoder_input_ids=torch.tensor([[PAD, *tokens]])).logits[0]
            written = torch.tensor([*tokens, END])
            found[user, item] = logits.double().log_softmax(-1)[torch.arange(len(written)), written].sum()
    return found


def test_a_wide_search_is_the_exact_ranking_of_all_ids(given: Task) -> None:
    model = random_model(given)
    n_items = given.data.n_items
    histories = given.data.test().histories[:4]
    exact = scores_of_all_items(model, histories.items)
    context = model.begin(histories, tuple(range(model.code_space.n_slots)))
    canvas = make_canvas(model.code_space, histories.users, catalogue=True)
    found = ArBeam().decode(context, canvas, beam=n_items)
    assert found.lengths.tolist() == [n_items] * 4, "every item, and nothing else"
    items = model.code_space.find(found.codes.numpy())
    assert (np.sort(items, axis=1) == np.arange(n_items)).all()
    torch.testing.assert_close(found.scores, exact.gather(1, torch.from_numpy(items)), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.scores, exact.sort(dim=1, descending=True).values, atol=1e-4, rtol=0)


def test_a_narrow_search_returns_catalogue_ids_only_under_the_constraint(given: Task) -> None:
    model = random_model(given)
    histories = given.data.test().histories
    slots = tuple(range(model.code_space.n_slots))
    share = {}
    for catalogue in (False, True):
        canvas = make_canvas(model.code_space, histories.users, catalogue=catalogue)
        codes = ArBeam().decode(model.begin(histories, slots), canvas, beam=10).codes.numpy()
        share[catalogue] = (model.code_space.find(codes) >= 0).mean()
        over = model.code_space.to_numbers(codes, slots) == -1
        assert (over[:, :, 1:] >= over[:, :, :-1]).all(), "nothing follows an end"
        assert over[:, :, -1].all()
    assert share[True] == 1.0
    assert share[False] < 1.0


def test_probabilities_of_what_may_follow_sum_to_at_most_one_and_after_an_end_to_one(given: Task) -> None:
    model = random_model(given)
    histories = given.data.test().histories[:2]
    space = model.code_space
    context = model.begin(histories, tuple(range(space.n_slots)))
    short = space.item_codes[:, :2][space.numbers[1][space.item_codes[:, 1]] == -1][:3]
    assert len(short) == 3
    answer = context.next_log_probs(torch.from_numpy(short).expand(2, 3, 2)).exp().sum(dim=-1)
    assert torch.equal(answer, torch.ones(2, 3))
    first = context.next_log_probs(torch.zeros(2, 1, 0, dtype=torch.int64)).exp().sum(dim=-1)
    assert (first < 1).all(), "normalised over the whole vocabulary"


def test_a_history_is_its_ids_and_nothing_else(given: Task) -> None:
    """The latest on the right, the padding on the left; who the user is changes nothing."""
    network = random_model(given).network
    items = torch.tensor([[-1, 3, 7], [1, 2, 3], [-1, -1, -1]])
    tokens, there, _ = network.history(items)
    expected = [[token for item in row for token in network.ids[item].tolist() if item >= 0 and token] for row in items]
    assert [row[keep].tolist() for row, keep in zip(tokens, there, strict=True)] == expected
    assert (there.int().diff(dim=1) >= 0).all()
    model = random_model(given)
    histories = given.data.test().histories[:5]
    prefix = torch.zeros(5, 1, 0, dtype=torch.int64)
    answers = [
        model.begin(Histories(histories.items, users), (0, 1)).next_log_probs(prefix)
        for users in (histories.users, histories.users + 1000)
    ]
    assert torch.equal(*answers)


def test_the_generator_is_judged_by_the_recommender_through_the_latest_items(given: Task) -> None:
    network = random_model(given).network.enter("generator").train()
    assert (network.generator.training, network.recommender.training) == (True, False)
    test = given.data.test()
    items, targets = torch.from_numpy(test.histories.items), torch.from_numpy(test.targets)
    network(targets, items)["loss"].backward()
    assert all(p.grad is None for p in network.recommender.parameters())
    assert network.generator.embedding.weight.grad.abs().sum() > 0
    # An item beyond the reach is shown by the vectors of its ID: the generator has no part in it.
    network.zero_grad()
    with torch.no_grad():
        soft = network._soft(items)
    known = network.recommender.embedding(network.ids[items.clamp(min=0)])
    assert torch.equal(soft[:, :-1], known[:, :-1])
    assert not torch.allclose(soft[:, -1], known[:, -1])
