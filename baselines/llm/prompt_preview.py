"""What a published LLM reads at test, as text and tokens, for `mrbench run --show-prompt`."""

from __future__ import annotations

from typing import Any

import numpy as np

from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Histories

from .prompt_encoder import PromptEncoder, code_tokens

PLACEHOLDER = "_"
"""Shown in the text where a causal model predicts a code."""


def preview_prompts(
    encoder: PromptEncoder, histories: Histories, start: Int, slots: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Each user's prompt and target.

    Args:
        encoder: tokenizer and templates.
        histories: of the users.
        start: the canvas: code indices, -1 at the slots to fill. Shape: (B, T)
        slots: the slots of the space on the canvas.

    Returns:
        For each user `user`, the `text`, its token `ids`, and `slots`: for every slot its name, its `position` in the
        ids, and its `state`: `given`, `masked`, or, of a causal model, `predicted`, with no token (-1) in the ids.
    """
    return [_preview(encoder, histories[row : row + 1], start[row], slots) for row in range(len(histories))]


def _preview(encoder: PromptEncoder, history: Histories, start: Int, slots: tuple[int, ...]) -> dict[str, Any]:
    space, tokenizer, layout = encoder.space, encoder.tokenizer, encoder.target_layout(slots)
    first_template = np.zeros(1, dtype=np.int64)
    prompt_ids = encoder.encode_prompts(history, first_template)[0][0].tolist()
    names, levels = code_tokens(space), space.n_categories
    open_slot = (-1, PLACEHOLDER, "predicted")
    if encoder.mask_token_id is not None:
        open_slot = (encoder.mask_token_id, tokenizer.convert_ids_to_tokens(encoder.mask_token_id), "masked")
    target_ids = list(layout.token_ids)
    target_texts = [tokenizer.decode([max(token, 0)]) for token in target_ids]
    slot_entries = []
    for slot, position, code in zip(slots, layout.slot_positions, start.tolist(), strict=True):
        index = space.offsets[slot] + code
        given = (int(encoder.code_token_ids[index]), names[index], "given")
        target_ids[position], target_texts[position], state = open_slot if code < 0 else given
        name = f"c{slot + 1}" if slot < levels else f"s{slot - levels + 1}"
        slot_entries.append({"slot": name, "position": len(prompt_ids) + position, "state": state})
    text = encoder.prompt_texts(history, first_template)[0] + "".join(target_texts)
    return {"user": int(history.users[0]), "text": text, "ids": [*prompt_ids, *target_ids], "slots": slot_entries}
