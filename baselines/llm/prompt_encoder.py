"""Prompts and targets of published LLMs: a checkpoint's own tokenizer, with the codes added as tokens.

A prompt is one turn of the user, rendered by the tokenizer's chat template, up to the start of the assistant's turn.
The target follows it: category codes, `-`, SID codes, and the token that ends an answer. History items are written in
the same way without that token, one line each.
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

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
"""What a tokenizer is read from; a checkpoint has one of them."""

LLADA_MASK, LLADA_MASK_ID = "<|mdm_mask|>", 126336
LLADA_PAD = "<|reserved_token_0|>"
"""The padding token of LLaDA's released evaluation."""

_DATE = "26 Jul 2024"
"""For chat templates that print the date: today's would make the model depend on the day."""


@dataclass(frozen=True)
class TargetLayout:
    """The tokens after the prompt.

    Attributes:
        token_ids: -1 at the position of a slot. Length m.
        slot_positions: the position of each slot of the canvas. Length T.
    """

    token_ids: tuple[int, ...]
    slot_positions: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PromptEncoder:
    """A tokenizer that knows the codes of one catalogue.

    Attributes:
        tokenizer: of transformers, with the codes added.
        space: the slots and the catalogue.
        templates: rendered by the chat template, each with `HISTORY_FIELD`.
        code_token_ids: of all codes, slot after slot as in `space.offsets`. Shape: (codes,)
        new_token_ids: those that the checkpoint's tokenizer did not have, ascending.
        end_token_id: ends an answer.
        pad_token_id: pads shorter prompts on the left.
        mask_token_id: stands at a masked slot; None where the model has no mask token.
    """

    tokenizer: Any
    space: CodeSpace
    templates: tuple[str, ...]
    code_token_ids: Int
    new_token_ids: tuple[int, ...]
    end_token_id: int
    pad_token_id: int
    mask_token_id: int | None

    @cached_property
    def item_texts(self) -> NDArray[np.object_]:
        """The text of each catalogue item, then '' for the padding. Shape: (N + 1,)"""
        names, split = code_tokens(self.space), self.space.n_categories
        codes = self.space.item_codes + np.asarray(self.space.offsets[:-1])
        separator = SEPARATOR if split else ""
        texts = [
            "".join(names[code] for code in row[:split]) + separator + "".join(names[code] for code in row[split:])
            for row in codes.tolist()
        ]
        return np.array([*texts, ""], dtype=object)

    def prompt_texts(self, histories: Histories, templates: Int) -> list[str]:
        """The prompt of each user. `templates`: the index of the template of each user. Shape: (b,)"""
        item_texts = self.item_texts[histories.items].tolist()
        return [
            self.templates[template].replace(HISTORY_FIELD, "\n".join(filter(None, items)))
            for template, items in zip(templates.tolist(), item_texts, strict=True)
        ]

    def encode_prompts(self, histories: Histories, templates: Int) -> tuple[Int, NDArray[np.bool_]]:
        """Token ids of the prompts, padded on the left, and a mask that is False in the padding.

        Args:
            histories: of the users.
            templates: the index of the template of each user. Shape: (b,)

        Returns:
            Shapes: (b, n), (b, n)
        """
        rows = self.tokenizer(self.prompt_texts(histories, templates), add_special_tokens=False)["input_ids"]
        longest = max(map(len, rows))
        token_ids = np.array([[self.pad_token_id] * (longest - len(row)) + row for row in rows], dtype=np.int64)
        lengths = np.array([len(row) for row in rows])
        return token_ids, np.arange(longest) >= longest - lengths[:, None]

    def target_layout(self, slots: Sequence[int]) -> TargetLayout:
        """The target on a canvas of these slots; it has the separator even where the category slots are left out."""
        categories = [slot for slot in slots if slot < self.space.n_categories]
        separator = self.separator_ids if self.space.n_categories else ()
        n_sids = len(slots) - len(categories)
        token_ids = (*[-1] * len(categories), *separator, *[-1] * n_sids, self.end_token_id)
        return TargetLayout(token_ids, tuple(position for position, token in enumerate(token_ids) if token < 0))

    @cached_property
    def separator_ids(self) -> tuple[int, ...]:
        """The tokens between category and SID codes."""
        return tuple(self.tokenizer(SEPARATOR, add_special_tokens=False)["input_ids"])


def code_tokens(space: CodeSpace) -> list[str]:
    """The token of each code, slot after slot: `<c1_5>` is category 5 of level 1, `<s4_9>` SID code 9 of level 4."""
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
    templates: Sequence[str],
    *,
    masked: bool,
    released_pad: bool,
    plain: bool = False,
) -> PromptEncoder:
    """Read a checkpoint's tokenizer and add the codes to it.

    Args:
        folder: the checkpoint's.
        config: its `config.json`.
        space: the slots and the catalogue.
        templates: with `HISTORY_FIELD`.
        masked: the model predicts masked slots, so it needs a mask token.
        released_pad: pad with LLaDA's reserved token, as released, where the tokenizer has it.
        plain: the prompt is the template's text and a line break, after the tokenizer's first token if it has one, and
            no chat template renders it.

    Raises:
        DataError: there is no tokenizer, or it has no chat template or lacks a special token.
    """
    from transformers import AutoTokenizer, PreTrainedConfig

    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise DataError(f"{folder} has no tokenizer: it needs one of {', '.join(TOKENIZER_FILES)}; download it again")
    # transformers does not know LLaDA's configuration, and would ask for the repository's code
    known_config = {"config": PreTrainedConfig()} if config.get("model_type") == LLADA else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True, **known_config
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{folder} has no readable tokenizer ({str(error).splitlines()[0]}); download it again"
        ) from error
    if not (plain or tokenizer.chat_template):
        raise DataError(
            f"the tokenizer in {folder} has no chat template; use an instruction-tuned checkpoint, or for a base model "
            "template=plain"
        )
    n_known = len(tokenizer)
    names = code_tokens(space)
    _add_tokens(tokenizer, names)
    code_token_ids = np.asarray(tokenizer.convert_tokens_to_ids(names), dtype=np.int64)
    vocabulary = tokenizer.get_vocab()
    end = _end_token_id(tokenizer, vocabulary, masked, folder)
    pad = vocabulary.get(LLADA_PAD) if released_pad else None
    if pad is None:
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else end
    return PromptEncoder(
        tokenizer=tokenizer,
        space=space,
        templates=tuple(_render(tokenizer, template, plain) for template in templates),
        code_token_ids=code_token_ids,
        new_token_ids=tuple(sorted(token for token in code_token_ids.tolist() if token >= n_known)),
        end_token_id=end,
        pad_token_id=pad,
        mask_token_id=_mask_token_id(tokenizer, vocabulary, config, folder) if masked else None,
    )


def _add_tokens(tokenizer: Any, names: list[str]) -> None:
    from transformers import AddedToken

    tokenizer.add_tokens([AddedToken(name, normalized=False, special=False) for name in names])


def _render(tokenizer: Any, template: str, plain: bool) -> str:
    if plain:
        return f"{tokenizer.bos_token or ''}{template}\n"
    turn = [{"role": "user", "content": template}]
    return str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, date_string=_DATE))


def _end_token_id(tokenizer: Any, vocabulary: dict[str, int], masked: bool, folder: Path) -> int:
    """`<|endoftext|>` for LLaDA, as released; else the end token of the tokenizer."""
    token = vocabulary.get("<|endoftext|>") if masked else None
    token = tokenizer.eos_token_id if token is None else token
    if token is None:
        raise DataError(f"the tokenizer in {folder} has no end token; set eos_token in its tokenizer_config.json")
    return int(token)


def _mask_token_id(tokenizer: Any, vocabulary: dict[str, int], config: dict[str, Any], folder: Path) -> int:
    """The mask token of LLaDA's tokenizer, of any tokenizer, or of the configuration, else that of published LLaDA."""
    for token in (vocabulary.get(LLADA_MASK), tokenizer.mask_token_id, config.get("mask_token_id")):
        if token is not None:
            return int(token)
    if config.get("vocab_size", 0) > LLADA_MASK_ID:
        return LLADA_MASK_ID
    raise DataError(
        f"neither the tokenizer in {folder} nor its config.json names a mask token; set mask_token_id in config.json"
    )
