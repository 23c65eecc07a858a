"""A fitted `idgenrec` under beam search: exact scores, catalogue IDs, probabilities before and after an end token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from mindrec_baselines.textual_ids.model import TextualIdModel
from mindrec_baselines.textual_ids.subword_tokenizer import END, PAD
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Histories
from mindrec_bench.testing import make_canvas
from mindrec_decoders.ar_beam import ArBeam

from .small_models import random_model


@pytest.fixture(scope="module")
def model(text_task: Task) -> TextualIdModel:
    return random_model(text_task)


def scores_of_all_items(model: TextualIdModel, items: np.ndarray) -> Tensor:
    """log p of every item's whole ID by T5 of transformers, sequence by sequence, without a cache. Shape: (B, N)"""
    network = model.network.recommender
    config = T5Config(**{**network.t5.config.to_dict(), "tie_word_embeddings": True})
    t5 = T5ForConditionalGeneration(config).eval()
    incompatible = t5.load_state_dict(network.t5.state_dict(), strict=False)
    assert incompatible.unexpected_keys == []
    t5.shared.weight.data.copy_(network.embedding.weight)
    assert t5.lm_head.weight is t5.shared.weight
    ids = [[token for token in row if token not in (PAD, END)] for row in model.network.ids.tolist()]
    scores = torch.zeros(len(items), len(ids), dtype=torch.float64)
    for user, history in enumerate(items):
        input_ids = torch.tensor([[token for item in history if item >= 0 for token in [*ids[item], END]]])
        for item, token_ids in enumerate(ids):
            with torch.no_grad():
                logits = t5(input_ids=input_ids, decoder_input_ids=torch.tensor([[PAD, *token_ids]])).logits[0]
            target = torch.tensor([*token_ids, END])
            scores[user, item] = logits.double().log_softmax(-1)[torch.arange(len(target)), target].sum()
    return scores


def test_a_wide_beam_gives_the_exact_ranking_of_all_items(text_task: Task, model: TextualIdModel) -> None:
    n_items = text_task.data.n_items
    histories = text_task.data.test().histories[:4]
    exact = scores_of_all_items(model, histories.items)
    context = model.begin(histories, tuple(range(model.code_space.n_slots)))
    canvas = make_canvas(model.code_space, histories.users, catalogue=True)
    ranking = ArBeam().decode(context, canvas, beam=n_items)
    assert ranking.lengths.tolist() == [n_items] * 4, "every item, and nothing else"
    items = model.code_space.find(ranking.codes.numpy())
    assert (np.sort(items, axis=1) == np.arange(n_items)).all()
    torch.testing.assert_close(ranking.scores, exact.gather(1, torch.from_numpy(items)), atol=1e-4, rtol=0)
    torch.testing.assert_close(ranking.scores, exact.sort(dim=1, descending=True).values, atol=1e-4, rtol=0)


def test_a_narrow_beam_returns_only_items_under_the_catalogue_constraint(
    text_task: Task, model: TextualIdModel
) -> None:
    histories = text_task.data.test().histories
    slots = tuple(range(model.code_space.n_slots))
    item_share = {}
    for catalogue in (False, True):
        canvas = make_canvas(model.code_space, histories.users, catalogue=catalogue)
        codes = ArBeam().decode(model.begin(histories, slots), canvas, beam=10).codes.numpy()
        item_share[catalogue] = (model.code_space.find(codes) >= 0).mean()
        has_ended = model.code_space.to_numbers(codes, slots) == -1
        assert (has_ended[:, :, 1:] >= has_ended[:, :, :-1]).all(), "nothing follows an end"
        assert has_ended[:, :, -1].all()
    assert item_share[True] == 1.0
    assert item_share[False] < 1.0


def test_probabilities_sum_to_at_most_one_and_after_an_end_to_one(text_task: Task, model: TextualIdModel) -> None:
    histories = text_task.data.test().histories[:2]
    space = model.code_space
    context = model.begin(histories, tuple(range(space.n_slots)))
    ended = space.item_codes[:, :2][space.numbers[1][space.item_codes[:, 1]] == -1][:3]
    assert len(ended) == 3
    after_end = context.next_log_probs(torch.from_numpy(ended).expand(2, 3, 2)).exp().sum(dim=-1)
    assert torch.equal(after_end, torch.ones(2, 3))
    first = context.next_log_probs(torch.zeros(2, 1, 0, dtype=torch.int64)).exp().sum(dim=-1)
    assert (first < 1).all(), "normalised over the whole vocabulary"


def test_user_ids_change_nothing(text_task: Task, model: TextualIdModel) -> None:
    histories = text_task.data.test().histories[:5]
    prefix = torch.zeros(5, 1, 0, dtype=torch.int64)
    log_probs = [
        model.begin(Histories(histories.items, users), (0, 1)).next_log_probs(prefix)
        for users in (histories.users, histories.users + 1000)
    ]
    assert torch.equal(*log_probs)
