"""Subword tokenizers: one trained on the items' texts, or a published one; a JSON file either way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from mindrec_bench.core.code_space import Int
from mindrec_bench.errors import DataError

PAD, END, UNKNOWN = 0, 1, 2
"""Tokens with a meaning, at T5's own places."""

_SPECIAL = ("<pad>", "</s>", "<unk>")

Ids = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Subwords:
    """A tokenizer whose first three tokens are those above."""

    tokenizer: Tokenizer

    @classmethod
    def trained(cls, texts: Sequence[str], size: int) -> Subwords:
        """Byte-pair encoding of lower-case words, at most `size` tokens; the same texts give the same tokenizer."""
        tokenizer = Tokenizer(models.BPE(unk_token=_SPECIAL[UNKNOWN]))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True)]
        )
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(_SPECIAL), show_progress=False)
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def read(cls, path: Path) -> Subwords:
        """A tokenizer from its JSON.

        Raises:
            DataError: there is none, it is damaged, or its first tokens are not T5's.
        """
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library has no error class of its own
            raise DataError(f"{path} is missing or no tokenizer ({error}); give a checkpoint that has one") from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        if [tokenizer.id_to_token(token) for token in (PAD, END, UNKNOWN)] != list(_SPECIAL):
            raise DataError(f"the tokenizer {path} does not begin with {' '.join(_SPECIAL)}; give one of a T5")
        return cls(tokenizer)

    @property
    def json(self) -> str:
        """What `read` reads."""
        return self.tokenizer.to_str()

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return self.tokenizer.get_vocab_size()

    @cached_property
    def is_word_piece(self) -> NDArray[np.bool_]:
        """Which tokens stand for letters or digits: no mark, no space alone, nothing special. Shape: (size,)"""
        texts = [self.tokenizer.id_to_token(token) or "" for token in range(self.size)]
        special = {token for token, added in self.tokenizer.get_added_tokens_decoder().items() if added.special}
        return np.array([token not in special and any(map(str.isalnum, text)) for token, text in enumerate(texts)])

    def encode(self, texts: Sequence[str], length: int) -> list[Ids]:
        """Each text's first `length` tokens, no end after them; one unknown token where there is nothing else."""
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [tuple(encoding.ids[:length]) or (UNKNOWN,) for encoding in found]

    def text(self, ids: Ids) -> str:
        """Tokens as a person reads them."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=False)


def ended(ids: Sequence[Ids]) -> Int:
    """Tokens as rows, an end after each, padding on the right. Shape: (N, 1 + longest)"""
    rows = np.full((len(ids), 1 + max(map(len, ids))), PAD)
    for row, tokens in zip(rows, ids, strict=True):
        row[: len(tokens) + 1] = [*tokens, END]
    return rows


def left_padded(ids: Sequence[Ids]) -> Int:
    """Tokens as rows, padding on the left. Shape: (N, longest)"""
    rows = np.full((len(ids), max(map(len, ids))), PAD)
    for row, tokens in zip(rows, ids, strict=True):
        row[len(row) - len(tokens) :] = tokens
    return rows
