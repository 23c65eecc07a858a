"""Item vectors from item texts: TF-IDF with truncated SVD, which needs no weights, or a text encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.dataset import Dataset
from ..errors import DataError
from ..io.hashing import short_hash
from ..io.hub import find_folder
from .quantizer import FloatArray

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FEATURES = 1 << 16
"""TF-IDF counts the most frequent words only, up to this number."""

BATCH_SIZE = 32
CHUNK_SIZE = 2048
"""The vectors of a text encoder are saved after every so many texts."""

MAX_TOKENS = 512

ENCODER_PATTERNS = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors")
"""The files of a text encoder that are downloaded: configuration, tokenizer and weights."""

ENCODER_REQUIRED = ("config.json", "*.safetensors")
"""The files that an encoder in the hub's cache must have."""


def item_texts(data: Dataset) -> list[str]:
    """One text per item: title, brand, categories and description; empty for items without any of these.

    Raises:
        DataError: the data has no item texts at all.
    """
    texts: list[str] = []
    if data.texts is not None:
        columns = zip(data.texts.title, data.texts.brand, data.texts.categories, data.texts.description, strict=True)
        texts = [". ".join(filter(None, fields)) for fields in columns]
    if not any(texts):
        raise DataError(
            f"{data.name} has no item texts; put {data.name}.item.json with titles beside its sequences, "
            "or tokenize with --vectors cooc"
        )
    return texts


def tfidf_vectors(texts: Sequence[str], dims: int, seed: int) -> FloatArray:
    """Latent semantic analysis: TF-IDF with logarithmic counts, then a truncated SVD.

    Args:
        texts: one per item. Length N.
        dims: number of columns; those beyond the rank of the matrix are zero.
        seed: seed of the randomized SVD.

    Returns:
        Zero rows for empty texts. Shape: (N, dims)

    Raises:
        DataError: the texts contain no word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.utils.extmath import randomized_svd

    try:
        counts = TfidfVectorizer(sublinear_tf=True, max_features=MAX_FEATURES).fit_transform(texts)
    except ValueError as error:
        raise DataError(
            "the item texts contain no word of two letters or more; tokenize with --vectors cooc"
        ) from error
    left, values, _ = randomized_svd(counts, min(dims, *counts.shape), random_state=seed)
    vectors = np.zeros((len(texts), dims), dtype=np.float32)
    vectors[:, : len(values)] = left * values
    vectors[counts.getnnz(axis=1) == 0] = 0  # without the rounding errors of the SVD
    return vectors


def encoder_vectors(
    texts: Sequence[str], model: str, device: str, cache: Path | None, *, quiet: bool = True
) -> FloatArray:
    """The mean of a text encoder's last hidden states over the tokens of each text, padding left out.

    Args:
        texts: one per item. Length N.
        model: a `transformers` model: a local folder, or `ORG/NAME` or `ORG/NAME@REVISION` on the hub; remote code is
            never run, and the weights must be safetensors.
        device: `cpu` or `cuda`.
        cache: folder that keeps finished vectors, so that an interrupted call continues; None keeps nothing.
        quiet: no progress bar.

    Returns:
        Zero rows for empty texts. Shape: (N, width of the model), float32

    Raises:
        DataError: the model does not exist or is not a text encoder.
    """
    from safetensors.numpy import load_file

    encoder: Any = None
    chunks = []
    for start in range(0, len(texts), CHUNK_SIZE):
        chunk = texts[start : start + CHUNK_SIZE]
        file = cache / f"text-{short_hash([model, device, *chunk])}.safetensors" if cache else None
        if file is not None and file.is_file():
            chunks.append(load_file(file)["vectors"])
            continue
        encoder = encoder or load_encoder(model, device)
        description = f"texts {start:,} to {start + len(chunk):,}"
        chunks.append(_encode_texts(chunk, *encoder, description=description, quiet=quiet))
        if file is not None:
            _save_vectors(file, chunks[-1])
    return np.concatenate(chunks)


def _save_vectors(file: Path, vectors: FloatArray) -> None:
    from safetensors.numpy import save

    from ..io.atomic import atomic_write

    content = save({"vectors": vectors})
    atomic_write(file, lambda output: output.write(content), option="--out")


def load_encoder(model: str, device: str) -> tuple[Any, Any]:
    """Text tokenizer and network."""
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer

    folder = find_folder(
        model,
        ENCODER_PATTERNS,
        required=ENCODER_REQUIRED,
        label="text encoder",
        alternative="name the folder of an encoder, or use --vectors text, which needs no weights",
    )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        network = AutoModel.from_pretrained(folder, trust_remote_code=False, use_safetensors=True)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"the text encoder '{model}' can't be loaded ({reason}); name a folder or a hub model that transformers "
            "reads without remote code, or use --vectors text, which needs no weights"
        ) from error
    if network.config.is_encoder_decoder:
        network = network.get_encoder()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer, network.to(device).eval()


def _encode_texts(texts: Sequence[str], tokenizer: Any, network: Any, *, description: str, quiet: bool) -> FloatArray:
    import torch

    from ..io.progress import ProgressBar

    limit = min(MAX_TOKENS, tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", MAX_TOKENS))
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))  # similar lengths together need little padding
    vectors = np.zeros((len(texts), network.config.hidden_size), dtype=np.float32)
    starts = range(0, len(order), BATCH_SIZE)
    for start in ProgressBar(starts, desc=description, unit="batches", disable=quiet):
        rows = [row for row in order[start : start + BATCH_SIZE] if texts[row]]
        if not rows:
            break
        batch = tokenizer(
            [texts[row] for row in rows], padding=True, truncation=True, max_length=limit, return_tensors="pt"
        ).to(network.device)
        with torch.inference_mode():
            states = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        mask = batch["attention_mask"][:, :, None].to(states.dtype)
        vectors[rows] = ((states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)).float().cpu().numpy()
    return vectors
