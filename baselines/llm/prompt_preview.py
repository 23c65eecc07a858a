"""What a published LLM reads at test, in text and tokens, for people to look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Histories

from ..checkpoints.files import CONFIG, tokenizer_folder
from .fine_tuning import read_prompt_encoder
from .prompt_encoder import PromptEncoder, code_names

if TYPE_CHECKING:
    from .pretrained import PretrainedBackbone

OPEN = "_"
"""Stands in the text where a causal model predicts a code."""


def shown(
    backbone: PretrainedBackbone, task: Task, histories: Histories, start: Int, slots: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Each user's prompt and what follows it; see `PretrainedBackbone.show_prompts`.

    Returns:
        For each user the `text`, its token `ids`, and for every slot its name, its `position` in the ids, and its
        `state`: `given`, `masked`, or, of a causal model, `predicted`, with no token (-1) in the ids.
    """
    folder = tokenizer_folder(str(backbone.checkpoint), task.notify)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    chat = read_prompt_encoder(backbone, task, folder, config)
    return [_one(chat, histories[row : row + 1], start[row], slots) for row in range(len(histories))]


def _one(chat: PromptEncoder, history: Histories, start: Int, slots: tuple[int, ...]) -> dict[str, Any]:
    space, tail, first = chat.space, chat.tail(slots), np.zeros(1, dtype=np.int64)
    prompt = chat.prompts(history, first)[0][0].tolist()
    names, levels = code_names(space), space.n_categories
    hidden = (-1, OPEN, "predicted")
    if chat.mask is not None:
        hidden = (chat.mask, chat.tokenizer.convert_ids_to_tokens(chat.mask), "masked")
    ids, pieces, listed = list(tail.ids), [chat.tokenizer.decode([max(token, 0)]) for token in tail.ids], []
    for slot, place, code in zip(slots, tail.places, start.tolist(), strict=True):
        entry = space.offsets[slot] + code
        ids[place], pieces[place], state = hidden if code < 0 else (int(chat.codes[entry]), names[entry], "given")
        name = f"c{slot + 1}" if slot < levels else f"s{slot - levels + 1}"
        listed.append({"slot": name, "position": len(prompt) + place, "state": state})
    text = chat.texts(history, first)[0] + "".join(pieces)
    return {"user": int(history.users[0]), "text": text, "ids": [*prompt, *ids], "slots": listed}
