"""`rpg`: what it learns, and that it answers from the history alone."""

from __future__ import annotations

from pathlib import Path

import torch

from mindrec_baselines.rpg import Rpg
from mindrec_bench.core.code_space import MASK

from .causal import task


def test_learns_the_codes_of_the_next_item(chain, tmp_path: Path) -> None:
    chain_task = task(chain())
    backbone = Rpg(dropout=0.0, lr=1e-2, epochs=6, batch=16).with_size_defaults("tiny")
    backbone.fit(chain_task, tmp_path)
    test = chain_task.data.test()
    context = backbone.load(chain_task, tmp_path).begin(test.histories, (0, 1, 2, 3))
    best = context.log_probs(torch.full((len(test), 1, 4), MASK), (0, 1, 2, 3)).argmax(dim=3)[:, 0]
    assert (best.numpy() == chain_task.space.item_codes[test.targets]).all(axis=1).mean() > 0.9


def test_what_is_revealed_changes_nothing(chain) -> None:
    chain_task = task(chain(users=5), categories=True)
    model = Rpg().inference_model(Rpg().new_network(chain_task).eval())
    context = model.begin(chain_task.data.test().histories, (2, 3, 4, 5))
    revealed = torch.tensor([[MASK, MASK, MASK, MASK], [1, MASK, 0, MASK]]).expand(5, -1, -1)
    answers = context.log_probs(revealed, (1, 3))
    torch.testing.assert_close(answers[:, 0], answers[:, 1], atol=0, rtol=0)
    sizes = [chain_task.space.sizes[slot] for slot in (3, 5)]
    assert [int((row > -torch.inf).sum()) for row in answers[0, 0]] == sizes
    torch.testing.assert_close(answers.exp().sum(dim=3), torch.ones(5, 2, 2))


def test_the_loss_is_the_mean_over_slots_of_what_is_answered(chain) -> None:
    chain_task = task(chain(users=6))
    backbone, valid = Rpg(), chain_task.data.validation()
    network = backbone.new_network(chain_task).eval()
    with torch.no_grad():
        loss = network(**backbone.collator(chain_task, 1)(valid, None))["loss"]
    context = backbone.inference_model(network).begin(valid.histories, (0, 1, 2, 3))
    answers = context.log_probs(torch.full((6, 1, 4), MASK), (0, 1, 2, 3))[:, 0]
    codes = torch.from_numpy(chain_task.space.item_codes[valid.targets])
    torch.testing.assert_close(loss, -answers.gather(2, codes[:, :, None]).mean(), atol=1e-5, rtol=0)
