"""Published T5 checkpoints, as the generator and the recommender start from them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from torch import nn
from transformers import T5Config, T5Model

from mindrec_bench.errors import DataError
from mindrec_bench.io.hub import HubError, Repository

from ..checkpoints.files import HUB_RENAMES
from ..t5.encoder_decoder import T5EncoderDecoder
from .subword_tokenizer import PAD

FILE_PATTERNS = ("config.json", "tokenizer.json", "*.safetensors")

_ALTERNATIVE = "give the folder of a T5 with idgenrec:checkpoint=PATH, or use --size small"


def checkpoint_folder(checkpoint: str) -> Path:
    """The folder of a checkpoint: a local one, one in the cache of the Hugging Face hub, or a download.

    Args:
        checkpoint: a folder, or an id on the hub, `ORG/NAME` or `ORG/NAME@REVISION`.

    Raises:
        DataError: it is neither, or can't be downloaded.
    """
    if (folder := Path(checkpoint).expanduser()).is_dir():
        return folder
    repositories = [
        Repository.parse(name, label="checkpoint", alternative=_ALTERNATIVE, bare=True)
        for name in (checkpoint, HUB_RENAMES.get(checkpoint))
        if name is not None
    ]
    for repository in repositories:
        if cached := repository.cached(FILE_PATTERNS):
            return cached
    for repository in repositories[:-1]:
        with suppress(HubError):
            return repository.download(FILE_PATTERNS)
    return repositories[-1].download(FILE_PATTERNS)


def load_t5(checkpoint: str, *, dropout: float, like: T5Config | None = None) -> T5EncoderDecoder:
    """The network of a checkpoint.

    Args:
        checkpoint: a folder, or an id on the hub.
        dropout: of T5.
        like: the configuration of another network, whose vocabulary must be the same.

    Raises:
        DataError: it can't be read, has an untied output head as newer T5s have, or has another vocabulary.
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
        raise DataError(f"the T5 in {folder} has an untied output head; give one that shares it with its embedding")
    if like is not None and t5.config.vocab_size != like.vocab_size:
        raise DataError(
            f"the tagger {folder} has {t5.config.vocab_size:,} tokens and the checkpoint {like.vocab_size:,}; give two "
            "that share a tokenizer"
        )
    embedding = nn.Embedding.from_pretrained(t5.shared.weight.detach().clone(), freeze=False)
    return T5EncoderDecoder(t5, embedding, PAD)
