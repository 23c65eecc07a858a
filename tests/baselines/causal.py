"""Causal backbones on the chain data, and the beam search of transformers as the reference."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mindrec_baselines.llama3 import Llama3
from mindrec_baselines.qwen2_5 import Qwen25
from mindrec_baselines.tiger import Tiger
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.core.protocols import Ranking
from mindrec_bench.testing import make_canvas
from mindrec_decoders.ar_beam import ArBeam

BACKBONES = (Llama3, Qwen25, Tiger)
BEAM = 10


def task(data: Dataset, *, categories: bool = False, **changes: object) -> Task:
    tiny = Task(data, data.space(categories=categories), size="tiny", quiet=True)
    return dataclasses.replace(tiny, **changes)  # type: ignore[arg-type]


def untrained(backbone: Any, chain_task: Task) -> Any:
    """The network before training, in evaluation mode."""
    return backbone().new_network(chain_task).eval()


def prefixes(space: CodeSpace, users: int, beams: int, length: int, first: int = 0) -> Tensor:
    """Random codes of `length` slots from slot `first` on. Shape: (users, beams, length)"""
    sizes = space.sizes[first : first + length]
    return torch.from_numpy(np.random.default_rng(1).integers(0, sizes, size=(users, beams, length)))


def ar_beam(network: Any, chain_task: Task, *, catalogue: bool) -> Ranking:
    """Our beam search over all slots for the test users."""
    histories = chain_task.data.test().histories
    canvas = make_canvas(chain_task.space, histories.users, catalogue=catalogue)
    return ArBeam().decode(network.begin(histories, tuple(range(chain_task.space.n_slots))), canvas, beam=BEAM)


def with_head(model_class: Any, config_class: Any, network: Any) -> Any:
    """A causal model of transformers with the weights of our network."""
    config = network.blocks.config.to_dict()
    model = model_class(config_class(**{**config, "vocab_size": network.vocab_size, "tie_word_embeddings": True}))
    incompatible = model.model.load_state_dict(network.blocks.state_dict(), strict=False)
    assert (incompatible.missing_keys, incompatible.unexpected_keys) == (["embed_tokens.weight"], [])
    model.model.embed_tokens.weight.data.copy_(network.embedding.weight[:-1])
    assert model.lm_head.weight is model.model.embed_tokens.weight
    return model.eval()


def prompt_inputs(network: Any, chain_task: Task) -> dict[str, Tensor]:
    """The histories and the start, as inputs of the `generate` of a causal model."""
    with torch.no_grad():
        inputs, attention_mask = network.embed_prompt(torch.from_numpy(chain_task.data.test().histories.items))
    return {"inputs_embeds": inputs, "attention_mask": attention_mask.long()}


def generated(model: Any, chain_task: Task, inputs: dict[str, Tensor], *, catalogue: bool, skip: int) -> Ranking:
    """The result of `generate` for the same users under the same constraint.

    Args:
        model: a model of transformers with the network's weights.
        chain_task: the data.
        inputs: the histories, as inputs of `generate`.
        catalogue: allow only codes that keep an item reachable; else all codes of the slot.
        skip: how many tokens of a generated sequence come before the first code.
    """
    space = chain_task.space
    item_token_ids = space.item_codes + np.asarray(space.offsets[:-1])
    reachable = {tuple(item[:slot]): set() for item in item_token_ids for slot in range(space.n_slots)}
    for item in item_token_ids:
        for slot in range(space.n_slots):
            reachable[tuple(item[:slot])].add(int(item[slot]))

    def allowed(user: int, sequence: Tensor) -> list[int]:
        prefix = tuple(sequence[skip:].tolist())
        if catalogue:
            return sorted(reachable[prefix])
        return list(range(space.offsets[len(prefix)], space.offsets[len(prefix) + 1]))

    output = model.generate(
        **inputs,
        num_beams=BEAM,
        num_return_sequences=BEAM,
        do_sample=False,
        max_new_tokens=space.n_slots,
        length_penalty=0.0,
        early_stopping=False,
        prefix_allowed_tokens_fn=allowed,
        output_scores=True,
        return_dict_in_generate=True,
    )
    codes = output.sequences[:, skip:].unflatten(0, (-1, BEAM)) - torch.tensor(space.offsets[:-1])
    scores = output.sequences_scores.unflatten(0, (-1, BEAM)).double()
    return Ranking(codes, scores, torch.full((len(scores),), BEAM))


def assert_same(ours: Ranking, expected: Ranking) -> None:
    """Scores are equal to 1e-4; so are codes, except where two scores are closer than that."""
    assert (ours.lengths == BEAM).all()
    torch.testing.assert_close(ours.scores, expected.scores, atol=1e-4, rtol=0)
    gaps = torch.nn.functional.pad(-ours.scores.diff(dim=1), (1, 1), value=1.0)
    is_separate = (gaps[:, :-1] > 1e-4) & (gaps[:, 1:] > 1e-4)
    assert is_separate.float().mean() > 0.8
    assert (ours.codes == expected.codes).all(dim=-1)[is_separate[:, : ours.codes.shape[1]]].all()
