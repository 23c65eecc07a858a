"""Text of published LLMs: a checkpoint's own tokenizer with the codes as tokens, and the prompts and targets in it.

A prompt is one turn of the user, rendered by the tokenizer's chat template, up to where the assistant begins. The
target follows it: category codes, `-`, SID codes, and the token that ends an answer. History items are written in the
same way, without that token, a line each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrec_bench.core.code_space import CodeSpace, Int
from mindrec_bench.core.dataset import Histories
from mindrec_bench.errors import DataError

from ..checkpoints.formats import LLADA
from .templates import HISTORY_FIELD

SEPARATOR = "-"

LLADA_MASK, LLADA_MASK_ID = "<|mdm_mask|>", 126336
LLADA_PAD = "<|reserved_token_0|>"
"""What the released evaluation of LLaDA pads with."""

_DATE = "26 Jul 2024"
"""Some chat templates print the date; it would make every day another model."""


@dataclass(frozen=True)
class TargetLayout:
    """What follows the prompt.

    Attributes:
        ids: token ids, -1 where a slot's code stands. Length m.
        places: where each slot of the canvas stands. Length T.
    """

    ids: tuple[int, ...]
    places: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PromptEncoder:
    """A tokenizer that knows the codes of one catalogue.

    Attributes:
        tokenizer: of transformers, the codes added.
        space: the slots and the catalogue.
        templates: paraphrases, rendered by the chat template, each with `HISTORY_FIELD`.
        codes: the token of each code, slots end to end as in `space.offsets`. Shape: (codes,)
        new: tokens that the checkpoint's tokenizer did not have, rising.
        end: the token that ends an answer.
        pad: the token on the left of a shorter prompt.
        mask: the token of a masked slot; None where the model has none.
    """

    tokenizer: Any
    space: CodeSpace
    templates: tuple[str, ...]
    codes: Int
    new: tuple[int, ...]
    end: int
    pad: int
    mask: int | None

    @cached_property
    def items(self) -> NDArray[np.object_]:
        """The text of each catalogue item, and '' at the end, for the padding. Shape: (N + 1,)"""
        names, split = code_names(self.space), self.space.n_categories
        places = self.space.item_codes + np.asarray(self.space.offsets[:-1])
        separator = SEPARATOR if split else ""
        lines = [
            "".join(names[place] for place in row[:split]) + separator + "".join(names[place] for place in row[split:])
            for row in places.tolist()
        ]
        return np.array([*lines, ""], dtype=object)

    def texts(self, histories: Histories, which: Int) -> list[str]:
        """The prompt of each user. `which`: the paraphrase of each. Shape: (b,)"""
        lines = self.items[histories.items].tolist()
        return [
            self.templates[template].replace(HISTORY_FIELD, "\n".join(filter(None, items)))
            for template, items in zip(which.tolist(), lines, strict=True)
        ]

    def prompts(self, histories: Histories, which: Int) -> tuple[Int, NDArray[np.bool_]]:
        """Token ids of the prompts, on the right of their padding, and where there is none. Shapes: (b, n), (b, n)"""
        rows = self.tokenizer(self.texts(histories, which), add_special_tokens=False)["input_ids"]
        longest = max(map(len, rows))
        ids = np.array([[self.pad] * (longest - len(row)) + row for row in rows], dtype=np.int64)
        lengths = np.array([len(row) for row in rows])
        return ids, np.arange(longest) >= longest - lengths[:, None]

    def tail(self, slots: Sequence[int]) -> TargetLayout:
        """What follows the prompt on a canvas of these slots; the separator stays where the categories are left out."""
        categories = [slot for slot in slots if slot < self.space.n_categories]
        separator = self.separator if self.space.n_categories else ()
        sids = len(slots) - len(categories)
        ids = (*[-1] * len(categories), *separator, *[-1] * sids, self.end)
        return TargetLayout(ids, tuple(place for place, token in enumerate(ids) if token < 0))

    @cached_property
    def separator(self) -> tuple[int, ...]:
        """Tokens between category and SID codes."""
        return tuple(self.tokenizer(SEPARATOR, add_special_tokens=False)["input_ids"])


def code_names(space: CodeSpace) -> list[str]:
    """The token of each code, slots end to end: `<c1_5>` is category 5 of level 1, `<s4_9>` SID code 9 of level 4."""
    split = space.n_categories
    return [
        f"<c{slot + 1}_{number}>" if slot < split else f"<s{slot - split + 1}_{number}>"
        for slot, numbers in enumerate(space.numbers)
        for number in numbers.tolist()
    ]


def open_prompt_encoder(
    folder: Path,
    config: dict[str, Any],
    space: CodeSpace,
    paraphrases: Sequence[str],
    *,
    masked: bool,
    released_pad: bool,
) -> PromptEncoder:
    """Read a checkpoint's tokenizer and add the codes to it.

    Args:
        folder: the checkpoint's.
        config: its `config.json`.
        space: the slots and the catalogue.
        paraphrases: with `HISTORY_FIELD`.
        masked: the model fills masks, so it has a token for them.
        released_pad: pad with LLaDA's reserved token, as released, where there is one.

    Raises:
        DataError: there is no tokenizer, or it lacks a chat template or a special token.
    """
    from transformers import AutoTokenizer, PreTrainedConfig

    # transformers does not know LLaDA's configuration, and would ask for the repository's code
    known_config = {"config": PreTrainedConfig()} if config.get("model_type") == LLADA else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True, **known_config
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{folder} has no tokenizer that can be read ({str(error).splitlines()[0]}); get it again"
        ) from error
    if not tokenizer.chat_template:
        raise DataError(f"the tokenizer in {folder} has no chat template; use an instruction-tuned checkpoint")
    known = len(tokenizer)
    names = code_names(space)
    _add(tokenizer, names)
    codes = np.asarray(tokenizer.convert_tokens_to_ids(names), dtype=np.int64)
    vocabulary = tokenizer.get_vocab()
    end = _end(tokenizer, vocabulary, masked, folder)
    pad = vocabulary.get(LLADA_PAD) if released_pad else None
    if pad is None:
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else end
    return PromptEncoder(
        tokenizer=tokenizer,
        space=space,
        templates=tuple(_render(tokenizer, text) for text in paraphrases),
        codes=codes,
        new=tuple(sorted(token for token in codes.tolist() if token >= known)),
        end=end,
        pad=pad,
        mask=_mask(tokenizer, vocabulary, config, folder) if masked else None,
    )


def _add(tokenizer: Any, names: list[str]) -> None:
    from transformers import AddedToken

    tokenizer.add_tokens([AddedToken(name, normalized=False, special=False) for name in names])


def _render(tokenizer: Any, text: str) -> str:
    turn = [{"role": "user", "content": text}]
    return str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, date_string=_DATE))


def _end(tokenizer: Any, vocabulary: dict[str, int], masked: bool, folder: Path) -> int:
    """`<|endoftext|>` for LLaDA, as released; else the end token of the tokenizer."""
    token = vocabulary.get("<|endoftext|>") if masked else None
    token = tokenizer.eos_token_id if token is None else token
    if token is None:
        raise DataError(f"the tokenizer in {folder} has no end token; set eos_token in its tokenizer_config.json")
    return int(token)


def _mask(tokenizer: Any, vocabulary: dict[str, int], config: dict[str, Any], folder: Path) -> int:
    """The mask token: the tokenizer's, the configuration's, else that of the published LLaDA."""
    for token in (vocabulary.get(LLADA_MASK), tokenizer.mask_token_id, config.get("mask_token_id")):
        if token is not None:
            return int(token)
    if config.get("vocab_size", 0) > LLADA_MASK_ID:
        return LLADA_MASK_ID
    raise DataError(
        f"neither the tokenizer in {folder} nor its config.json names a mask token; set mask_token_id in config.json"
    )
