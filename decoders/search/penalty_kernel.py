"""`penalty_walk.walk` as one Triton kernel: a program per user, which holds the kept candidates in registers.

Imports Triton, which torch for CUDA brings along; with TRITON_INTERPRET=1 in the environment it runs on a CPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


def walk_in_kernel(sids: Tensor, sort_keys: Tensor, order: Tensor, beam: int) -> tuple[Tensor, Tensor]:
    """See `penalty_walk.walk`."""
    users, n_candidates, n_slots = sids.shape
    kept, shared = (torch.empty(users, beam, dtype=torch.int64, device=sids.device) for _ in range(2))
    _walk[(users,)](
        sids.contiguous(),
        sort_keys.contiguous(),
        order.contiguous(),
        kept,
        shared,
        n_candidates,
        beam,
        n_slots,
        lane_count=max(2, triton.next_power_of_2(beam)),
        slot_count=max(2, triton.next_power_of_2(n_slots)),
        key_count=triton.next_power_of_2(n_slots + 1),
        num_warps=1,
    )
    return kept, shared


@triton.jit  # type: ignore[untyped-decorator]
def _walk(  # type: ignore[no-untyped-def]
    sids,
    sort_keys,
    order,
    kept,
    shared,
    n_candidates,
    beam,
    n_slots,
    lane_count: tl.constexpr,
    slot_count: tl.constexpr,
    key_count: tl.constexpr,
):
    """One user. A lane holds a kept candidate: its rank, codes, key, and number of shared codes."""
    user = tl.program_id(0).to(tl.int64)
    sids += user * n_candidates * n_slots
    sort_keys += user * n_candidates * (n_slots + 1)
    order += user * n_candidates
    lane, slot, count = tl.arange(0, lane_count), tl.arange(0, slot_count), tl.arange(0, key_count)
    lane_rank = tl.zeros([lane_count], tl.int64)
    lane_shared = tl.zeros([lane_count], tl.int64)
    lane_key = tl.zeros([lane_count], tl.int64)
    lane_place = tl.full([lane_count], 0x7FFFFFFFFFFFFFFF, tl.int64)  # an empty lane is never the worst
    lane_codes = tl.full([lane_count, slot_count], -1, tl.int64)
    for rank in range(n_candidates):
        codes = tl.load(sids + rank * n_slots + slot, mask=slot < n_slots, other=-1)
        keys = tl.load(sort_keys + rank * (n_slots + 1) + count, mask=count < n_slots + 1, other=0)
        position = tl.load(order + rank)
        same = (lane_codes == codes[None, :]) & (codes != -1)[None, :]
        most_shared = tl.max(tl.sum(same.to(tl.int64), axis=1), axis=0)
        key = tl.sum(tl.where(count == most_shared, keys, 0), axis=0)
        is_worst = lane_place == tl.min(lane_place, axis=0)
        worst_key = tl.sum(tl.where(is_worst, lane_key, 0), axis=0)
        takes = tl.where(rank < beam, lane == rank, is_worst & (key > worst_key))
        lane_rank = tl.where(takes, rank, lane_rank)
        lane_shared = tl.where(takes, most_shared, lane_shared)
        lane_key = tl.where(takes, key, lane_key)
        lane_place = tl.where(takes, key * n_candidates - position, lane_place)
        lane_codes = tl.where(takes[:, None], codes[None, :], lane_codes)
    tl.store(kept + user * beam + lane, lane_rank, mask=lane < beam)
    tl.store(shared + user * beam + lane, lane_shared, mask=lane < beam)
