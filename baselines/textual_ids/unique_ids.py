"""Textual IDs: short, one for each item, as the generator writes them, and as code slots.

Every item gets several proposals by diverse decoding and takes the first that no item before it has taken. Items whose
proposals are all taken are asked for longer ones.
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

from ..t5.encoder_decoder import T5Reader
from ..training.weights import write_json
from .subwords import END, PAD, UNKNOWN, Ids, Subwords

PROPOSALS = 10
"""Proposals an item, and groups of the diverse beam search, one beam each."""

PENALTY = 1.0
"""Taken off a token's log-probability for each group before that chose it at the same place."""

LONGEST, LONGER, TRIES = 8, 2, 3
"""Tokens of an ID; by how many more it may be longer each time its item is asked again; how often that is."""

ITEMS_AT_ONCE = 256

ENDED = -1
"""The code number of a slot after the end of an ID (contracts: `model_codes`)."""


def propose(generator: T5Reader, texts: Tensor, *, is_word_piece: Tensor, shortest: Tensor, longest: int) -> Int:
    """Diverse beam search (Vijayakumar et al., 2018), groups of one beam, Hamming diversity.

    Args:
        generator: in evaluation mode.
        texts: tokens, padding on the left. Shape: (n, L)
        wordy: tokens that an ID may have. Shape: (vocabulary,), bool
        shortest: fewest tokens of each item's IDs. Shape: (n,)
        longest: most tokens.

    Returns:
        Tokens, `PAD` after the end. Shape: (n, PROPOSALS, longest)
    """
    n_items, vocabulary = len(texts), len(is_word_piece)
    barred = torch.where(is_word_piece, 0.0, -torch.inf)
    places = torch.arange(vocabulary, device=texts.device).expand(longest, -1)
    context = generator.context(texts, texts != PAD, places)
    found = torch.full((n_items, PROPOSALS, 0), PAD, device=texts.device)
    for place in range(longest):
        log_probs = context.next_log_probs(found)
        at_end = log_probs[:, :, END].masked_fill((shortest > place)[:, None], -torch.inf)
        log_probs = log_probs + barred
        log_probs[:, :, END] = at_end
        over = (found == PAD).any(dim=2) | (found == END).any(dim=2)
        chosen = torch.zeros(n_items, vocabulary, device=texts.device)
        column = []
        for group in range(PROPOSALS):
            token = (log_probs[:, group] - PENALTY * chosen).argmax(dim=1).where(~over[:, group], PAD)
            chosen.scatter_add_(1, token[:, None], (~over[:, group, None]).float())
            column.append(token)
        found = torch.cat([found, torch.stack(column, dim=1)[:, :, None]], dim=2)
    return found.where(found != END, PAD).cpu().numpy()


def unique_ids(generator: T5Reader, texts: Tensor, is_word_piece: Tensor) -> list[Ids]:
    """An ID for each item, no two the same, without ends; lower items choose first. Length N

    Args:
        generator: writes proposals.
        texts: as in `propose`, of all items. Shape: (N, L)
        wordy: see `propose`.
    """
    taken: dict[Ids, int] = {}
    first: dict[int, Ids] = {}
    waiting = list(range(len(texts)))
    for attempt in range(TRIES):
        still = []
        for start in range(0, len(waiting), ITEMS_AT_ONCE):
            items = waiting[start : start + ITEMS_AT_ONCE]
            shortest = torch.tensor([len(first.get(item, ())) + 1 for item in items], device=texts.device)
            longest = LONGEST + LONGER * attempt
            rows = propose(generator, texts[items], is_word_piece=is_word_piece, shortest=shortest, longest=longest)
            for item, proposals in zip(items, rows.tolist(), strict=True):
                ids = [tuple(token for token in tokens if token != PAD) for tokens in proposals]
                first[item] = ids[0]
                free = next((tokens for tokens in ids if tokens not in taken), None)
                if free is None:
                    still.append(item)
                else:
                    taken[free] = item
        waiting = still
    words = is_word_piece.nonzero()[:, 0].tolist()
    for item in waiting:  # texts that are all alike: the shortest ending that is free
        endings = chain.from_iterable(product(words, repeat=length) for length in range(1, len(texts)))
        taken[next(longer for ending in endings if (longer := first[item] + ending) not in taken)] = item
    return sorted(taken, key=taken.__getitem__)


def id_space(ids: Sequence[Ids]) -> CodeSpace:
    """IDs as slots: a code's number is its token, or `ENDED`. One slot more than the longest ID, so that each ends."""
    numbers = np.full((len(ids), 1 + max(map(len, ids))), ENDED)
    for row, tokens in zip(numbers, ids, strict=True):
        row[: len(tokens)] = tokens
    return CodeSpace.build(numbers)


def id_tokens(space: CodeSpace) -> Tensor:
    """The token of each code of `id_space`, -1 beyond a slot's last one. Shape: (T, V)"""
    tokens = torch.full((space.n_slots, max(space.sizes)), -1)
    for row, numbers in zip(tokens, space.numbers, strict=True):
        row[: len(numbers)] = torch.from_numpy(np.where(numbers == ENDED, END, numbers))
    return tokens


def write_ids(path: Path, ids: Sequence[Ids], item_ids: Sequence[str], subwords: Subwords) -> None:
    """Store IDs, renamed into place when whole, with their text for people to read."""
    found = zip(item_ids, ids, strict=True)
    write_json(path, {item: {"id": subwords.text(tokens), "tokens": tokens} for item, tokens in found})


def read_ids(path: Path, item_ids: Sequence[str]) -> list[Ids]:
    """What `write_ids` wrote, in the order of `item_ids`.

    Raises:
        DataError: the file is missing or damaged, or is about other items.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        ids = [tuple(map(int, stored[item]["tokens"])) for item in item_ids]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is missing, damaged or about other items; fit the model again with --fresh") from error
    if len(set(ids)) < len(ids) or min(min(tokens, default=UNKNOWN) for tokens in ids) <= UNKNOWN:
        raise DataError(f"{path} gives two items one ID, or one an empty ID; fit the model again with --fresh")
    return ids
