"""From options to the parts of `idgenrec`: tokenizer, texts as tokens, networks; from scratch or from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import T5Config, T5Model

from mindrec_bench.errors import DataError

from ..checkpoints.files import MOVED
from ..t5.encoder_decoder import T5Reader
from .network import IdNetwork
from .subwords import PAD, Subwords, ended, left_padded
from .unique_ids import LONGEST

FILES = ("config.json", "tokenizer.json", "*.safetensors")


def checkpoint_folder(checkpoint: str) -> Path:
    """The folder of a checkpoint: a local one, or from the hub's cache, or downloaded.

    Raises:
        DataError: there is none.
    """
    from huggingface_hub import snapshot_download

    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    reason: Exception | None = None
    for name in filter(None, (checkpoint, MOVED.get(checkpoint))):
        try:
            return Path(snapshot_download(name, allow_patterns=list(FILES)))
        except Exception as error:  # no such name, no network, no access: the library has a class for each
            reason = error
    raise DataError(
        f"the checkpoint {name} is no folder and can't be had from the hub ({type(reason).__name__}); give the "
        "folder of a T5 with idgenrec:checkpoint=PATH, or take --size small"
    )


def read_t5(checkpoint: str, *, dropout: float, like: T5Config | None = None) -> T5Reader:
    """The network of a checkpoint.

    Args:
        checkpoint: a folder or a name on the hub.
        dropout: T5's own.
        like: the configuration of the other network, whose tokens it must have.

    Raises:
        DataError: it can't be read, or has a head of its own as newer T5s have, or other tokens.
    """
    folder = checkpoint_folder(checkpoint)
    try:
        t5 = T5Model.from_pretrained(folder, use_safetensors=True, local_files_only=True, dropout_rate=dropout)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(
            f"{folder} has no T5 that can be read ({str(error).splitlines()[0]}); give the folder of a checkpoint with "
            "config.json, tokenizer.json and safetensors"
        ) from error
    if not getattr(t5.config, "scale_decoder_outputs", True):
        raise DataError(f"the T5 of {folder} has an output head of its own; give one that shares its embedding")
    if like is not None and t5.config.vocab_size != like.vocab_size:
        raise DataError(
            f"the tagger {folder} has {t5.config.vocab_size:,} tokens and the checkpoint {like.vocab_size:,}; give two "
            "that share a tokenizer"
        )
    embedding = nn.Embedding.from_pretrained(t5.shared.weight.detach().clone(), freeze=False)
    return T5Reader(t5, embedding, PAD)


def new_t5(config: T5Config) -> T5Reader:
    """A network with random weights."""
    return T5Reader(T5Model(config), nn.Embedding(config.vocab_size, config.d_model), PAD)


def text_tokens(subwords: Subwords, lines: Sequence[str], words: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
    """Texts, their first `length` tokens, and keywords as `IdNetwork` takes them. Shapes: (N, L), (N, W)"""
    texts = left_padded(subwords.encode(lines, length))
    return torch.from_numpy(texts), torch.from_numpy(ended(subwords.encode(words, LONGEST)))


def without_texts(config: T5Config) -> IdNetwork:
    """The network of a fitted model, its weights still random: it needs no texts any more."""
    nothing = torch.zeros(1, 1, dtype=torch.int64)
    return IdNetwork(new_t5(config), new_t5(config), texts=nothing, words=nothing, reach=1)
