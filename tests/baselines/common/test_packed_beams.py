"""The mask of packed beams."""

from __future__ import annotations

import torch

from mindrec_baselines.common.packed_beams import beam_mask


def test_beams_are_separate_and_causal() -> None:
    mask = beam_mask(2, 3, torch.device("cpu")).int()
    causal = [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert mask[:3, :3].tolist() == mask[3:, 3:].tolist() == causal
    assert mask[:3, 3:].sum() == mask[3:, :3].sum() == 0
