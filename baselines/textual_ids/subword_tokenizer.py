"""Subword tokenizers, trained on the items' texts or read from a published checkpoint; both are one JSON file."""

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
"""The ids of the special tokens, as in T5."""

_SPECIAL_TOKENS = ("<pad>", "</s>", "<unk>")

TokenIds = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class SubwordTokenizer:
    """A tokenizer whose first three tokens are the special tokens above."""

    tokenizer: Tokenizer

    @classmethod
    def train(cls, texts: Sequence[str], max_size: int) -> SubwordTokenizer:
        """Byte-pair encoding of lower-case words, at most `max_size` tokens; deterministic."""
        tokenizer = Tokenizer(models.BPE(unk_token=_SPECIAL_TOKENS[UNKNOWN]))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True)]
        )
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=max_size, special_tokens=list(_SPECIAL_TOKENS), show_progress=False)
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def read(cls, path: Path) -> SubwordTokenizer:
        """Read a tokenizer from its JSON file.

        Raises:
            DataError: the file is missing or damaged, or its first tokens are not those of T5.
        """
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library has no error class of its own
            raise DataError(
                f"{path} is missing or is not a tokenizer ({error}); give a checkpoint that has one"
            ) from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        if [tokenizer.id_to_token(token) for token in (PAD, END, UNKNOWN)] != list(_SPECIAL_TOKENS):
            raise DataError(
                f"the tokenizer {path} does not begin with {' '.join(_SPECIAL_TOKENS)}; give the tokenizer of a T5"
            )
        return cls(tokenizer)

    @property
    def json(self) -> str:
        """The content of the file that `read` reads."""
        return self.tokenizer.to_str()

    @property
    def size(self) -> int:
        """Number of tokens."""
        return self.tokenizer.get_vocab_size()

    @cached_property
    def is_word_piece(self) -> NDArray[np.bool_]:
        """Which tokens have letters or digits: not punctuation, white space or special tokens. Shape: (size,)"""
        texts = [self.tokenizer.id_to_token(token) or "" for token in range(self.size)]
        special = {token for token, added in self.tokenizer.get_added_tokens_decoder().items() if added.special}
        return np.array([token not in special and any(map(str.isalnum, text)) for token, text in enumerate(texts)])

    def encode(self, texts: Sequence[str], max_length: int) -> list[TokenIds]:
        """The first `max_length` tokens of each text, without an end token; `UNKNOWN` alone for an empty text."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [tuple(encoding.ids[:max_length]) or (UNKNOWN,) for encoding in encodings]

    def decode(self, token_ids: TokenIds) -> str:
        """The text of some tokens, for people to read."""
        return self.tokenizer.decode(list(token_ids), skip_special_tokens=False)


def pad_left(sequences: Sequence[TokenIds]) -> Int:
    """Sequences as rows, `PAD` on the left. Shape: (N, longest)"""
    rows = np.full((len(sequences), max(map(len, sequences))), PAD)
    for row, token_ids in zip(rows, sequences, strict=True):
        row[len(row) - len(token_ids) :] = token_ids
    return rows


def end_and_pad_right(sequences: Sequence[TokenIds]) -> Int:
    """Sequences as rows, each followed by `END`, then `PAD` on the right. Shape: (N, 1 + longest)"""
    rows = np.full((len(sequences), 1 + max(map(len, sequences))), PAD)
    for row, token_ids in zip(rows, sequences, strict=True):
        row[: len(token_ids) + 1] = [*token_ids, END]
    return rows
