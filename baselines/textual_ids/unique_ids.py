"""Textual IDs: short, generated from the items' texts, one per item; as code slots, and on disk.

Diverse beam search proposes several IDs for each item, which takes the first that no earlier item has taken. Items
whose proposals are all taken get longer proposals.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mindrec_bench.core.code_space import CodeSpace, Int
from mindrec_bench.errors import DataError
from mindrec_bench.io.atomic import atomic_write

from ..t5.encoder_decoder import T5EncoderDecoder
from .subword_tokenizer import END, PAD, UNKNOWN, SubwordTokenizer, TokenIds

BEAM_GROUPS = 10
"""Groups of the diverse beam search, one beam each: the number of proposals for an item."""

DIVERSITY_PENALTY = 1.0
"""Subtracted from a token's log-probability for each earlier group that chose it at the same position."""

MAX_TOKENS, EXTRA_TOKENS, MAX_ATTEMPTS = 8, 2, 3
"""Most tokens of an ID at the first attempt, how many more each further attempt allows, and how many there are."""

BATCH_SIZE = 256
"""Items whose IDs are proposed together."""

AFTER_END = -1
"""The code number of a slot after the end of an ID (see `mindrec_bench.core.protocols.Model`)."""


def propose_ids(
    generator: T5EncoderDecoder, texts: Tensor, *, is_word_piece: Tensor, min_length: Tensor, max_length: int
) -> Int:
    """Diverse beam search (Vijayakumar et al., 2018) with groups of one beam and Hamming diversity.

    Args:
        generator: in evaluation mode.
        texts: token ids of the items' texts, padded on the left. Shape: (n, L)
        is_word_piece: tokens that an ID may have. Shape: (vocabulary,), bool
        min_length: fewest tokens of each item's IDs. Shape: (n,)
        max_length: most tokens.

    Returns:
        Token ids, `PAD` after the end. Shape: (n, BEAM_GROUPS, max_length)
    """
    n_items, vocabulary = len(texts), len(is_word_piece)
    word_piece_mask = torch.where(is_word_piece, 0.0, -torch.inf)
    every_token = torch.arange(vocabulary, device=texts.device).expand(max_length, -1)
    context = generator.open_context(texts, texts != PAD, every_token)
    ids = torch.full((n_items, BEAM_GROUPS, 0), PAD, device=texts.device)
    for position in range(max_length):
        log_probs = context.next_log_probs(ids)
        end_log_probs = log_probs[:, :, END].masked_fill((min_length > position)[:, None], -torch.inf)
        log_probs = log_probs + word_piece_mask
        log_probs[:, :, END] = end_log_probs
        has_ended = (ids == PAD).any(dim=2) | (ids == END).any(dim=2)
        times_chosen = torch.zeros(n_items, vocabulary, device=texts.device)
        next_tokens = []
        for group in range(BEAM_GROUPS):
            scores = log_probs[:, group] - DIVERSITY_PENALTY * times_chosen
            tokens = scores.argmax(dim=1).where(~has_ended[:, group], PAD)
            times_chosen.scatter_add_(1, tokens[:, None], (~has_ended[:, group, None]).float())
            next_tokens.append(tokens)
        ids = torch.cat([ids, torch.stack(next_tokens, dim=1)[:, :, None]], dim=2)
    return ids.where(ids != END, PAD).cpu().numpy()


def assign_unique_ids(generator: T5EncoderDecoder, texts: Tensor, is_word_piece: Tensor) -> list[TokenIds]:
    """A different ID for each item, without end tokens; earlier items choose first. Length N

    Args:
        generator: proposes IDs.
        texts: of all items, as in `propose_ids`. Shape: (N, L)
        is_word_piece: see `propose_ids`.
    """
    owners: dict[TokenIds, int] = {}
    best: dict[int, TokenIds] = {}
    waiting = list(range(len(texts)))
    for attempt in range(MAX_ATTEMPTS):
        without_id = []
        for start in range(0, len(waiting), BATCH_SIZE):
            items = waiting[start : start + BATCH_SIZE]
            min_length = torch.tensor([len(best.get(item, ())) + 1 for item in items], device=texts.device)
            max_length = MAX_TOKENS + EXTRA_TOKENS * attempt
            proposals = propose_ids(
                generator, texts[items], is_word_piece=is_word_piece, min_length=min_length, max_length=max_length
            )
            for item, rows in zip(items, proposals.tolist(), strict=True):
                candidates = [tuple(token for token in row if token != PAD) for row in rows]
                best[item] = candidates[0]
                free = next((token_ids for token_ids in candidates if token_ids not in owners), None)
                if free is None:
                    without_id.append(item)
                else:
                    owners[free] = item
        waiting = without_id
    word_pieces = is_word_piece.nonzero()[:, 0].tolist()
    for item in waiting:  # many items with one text: extend the last proposal by the shortest suffix that is free
        suffixes = chain.from_iterable(product(word_pieces, repeat=length) for length in range(1, len(texts)))
        owners[next(ids for suffix in suffixes if (ids := best[item] + suffix) not in owners)] = item
    return sorted(owners, key=owners.__getitem__)


def id_code_space(ids: Sequence[TokenIds]) -> CodeSpace:
    """IDs as slots: the number of a code is its token id, or `AFTER_END`. One slot more than the longest ID has tokens,
    so that each ID ends.
    """
    numbers = np.full((len(ids), 1 + max(map(len, ids))), AFTER_END)
    for row, token_ids in zip(numbers, ids, strict=True):
        row[: len(token_ids)] = token_ids
    return CodeSpace.build(numbers)


def code_token_ids(space: CodeSpace) -> Tensor:
    """The token of each code of an `id_code_space`, -1 beyond a slot's last code. Shape: (T, V)"""
    token_ids = torch.full((space.n_slots, max(space.sizes)), -1)
    for row, numbers in zip(token_ids, space.numbers, strict=True):
        row[: len(numbers)] = torch.from_numpy(np.where(numbers == AFTER_END, END, numbers))
    return token_ids


def write_ids(path: Path, ids: Sequence[TokenIds], item_ids: Sequence[str], tokenizer: SubwordTokenizer) -> None:
    """Write IDs atomically, with their text for people to read."""
    entries = {
        item_id: {"id": tokenizer.decode(token_ids), "tokens": token_ids}
        for item_id, token_ids in zip(item_ids, ids, strict=True)
    }
    atomic_write(path, lambda file: file.write(json.dumps(entries, indent=1).encode()))


def read_ids(path: Path, item_ids: Sequence[str]) -> list[TokenIds]:
    """Read what `write_ids` wrote, in the order of `item_ids`.

    Raises:
        DataError: the file is missing or damaged, or is about other items.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        ids = [tuple(map(int, entries[item_id]["tokens"])) for item_id in item_ids]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is missing, damaged or about other items; fit the model again with --fresh all"
        ) from error
    if len(set(ids)) < len(ids) or min(min(token_ids, default=UNKNOWN) for token_ids in ids) <= UNKNOWN:
        raise DataError(
            f"{path} has two items with the same ID, or an item with an empty ID; fit the model again with --fresh all"
        )
    return ids
