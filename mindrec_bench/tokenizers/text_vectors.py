"""Item vectors from what items are called: TF-IDF and truncated SVD (no weights needed), or a text encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.dataset import Dataset
from ..errors import DataError
from ..io.hashing import short_hash
from .quantised import Float

if TYPE_CHECKING:
    from collections.abc import Sequence

FEATURES = 1 << 16
"""The most frequent words that TF-IDF counts."""

BATCH = 32
CHUNK = 2048
"""Texts between two saves of what a text encoder has made."""

MAX_TOKENS = 512


def item_texts(data: Dataset) -> list[str]:
    """One text an item: title, brand, categories and description; empty where the data says nothing of it.

    Raises:
        DataError: the data has no item texts at all.
    """
    found = data.texts
    texts: list[str] = []
    if found is not None:
        fields = zip(found.title, found.brand, found.categories, found.description, strict=True)
        texts = [". ".join(filter(None, parts)) for parts in fields]
    if not any(texts):
        raise DataError(
            f"{data.name} has no item texts; put {data.name}.item.json with titles beside its sequences, "
            "or tokenize with --vectors cooc"
        )
    return texts


def tfidf_vectors(texts: Sequence[str], dims: int, seed: int) -> Float:
    """Latent semantic analysis: TF-IDF (logarithmic counts), then a truncated SVD.

    Args:
        texts: one an item. Length N.
        dims: columns; those beyond what the texts carry are zero.
        seed: of the randomised SVD.

    Returns:
        Zero rows for empty texts. Shape: (N, dims)

    Raises:
        DataError: the texts hold no word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.utils.extmath import randomized_svd

    try:
        counts = TfidfVectorizer(sublinear_tf=True, max_features=FEATURES).fit_transform(texts)
    except ValueError as error:
        raise DataError("the item texts hold no word of two letters or more; tokenize with --vectors cooc") from error
    left, values, _ = randomized_svd(counts, min(dims, *counts.shape), random_state=seed)
    vectors = np.zeros((len(texts), dims), dtype=np.float32)
    vectors[:, : len(values)] = left * values
    vectors[counts.getnnz(axis=1) == 0] = 0  # and not the SVD's rounding errors
    return vectors


def encoder_vectors(texts: Sequence[str], model: str, device: str, cache: Path | None, *, quiet: bool = True) -> Float:
    """Mean of a text encoder's last states over the tokens that are no padding.

    Args:
        texts: one an item. Length N.
        model: a local folder or the hub name of a `transformers` model; its own code is never run, and its weights
            must be safetensors.
        device: `cpu` or `cuda`.
        cache: keeps what is done, so that an interrupted call continues; None keeps nothing.
        quiet: no progress bar.

    Returns:
        Zero rows for empty texts. Shape: (N, width of the model), float32

    Raises:
        DataError: there is no such model, or it is no text encoder.
    """
    from safetensors.numpy import load_file, save

    from ..io.atomic import atomic_write

    network: Any = None
    parts = []
    for start in range(0, len(texts), CHUNK):
        part = texts[start : start + CHUNK]
        file = cache / f"text-{short_hash([model, device, *part])}.safetensors" if cache else None
        if file is not None and file.is_file():
            parts.append(load_file(file)["vectors"])
            continue
        network = network or _load(model, device)
        parts.append(_encoded(part, *network, desc=f"texts {start:,} to {start + len(part):,}", quiet=quiet))
        if file is not None:
            content = save({"vectors": parts[-1]})
            atomic_write(file, lambda out, content=content: out.write(content), option="--out")  # type: ignore[misc]
    return np.concatenate(parts)


def _load(model: str, device: str) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        network = AutoModel.from_pretrained(model, trust_remote_code=False, use_safetensors=True)
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


def _encoded(texts: Sequence[str], tokenizer: Any, network: Any, *, desc: str, quiet: bool) -> Float:
    import torch
    from tqdm import tqdm

    limit = min(MAX_TOKENS, tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", MAX_TOKENS))
    order = sorted(range(len(texts)), key=lambda at: -len(texts[at]))  # like lengths together: little padding
    vectors = np.zeros((len(texts), network.config.hidden_size), dtype=np.float32)
    starts = range(0, len(order), BATCH)
    for start in tqdm(starts, desc=desc, unit="batch", disable=quiet):
        rows = [row for row in order[start : start + BATCH] if texts[row]]
        if not rows:
            break
        batch = tokenizer(
            [texts[row] for row in rows], padding=True, truncation=True, max_length=limit, return_tensors="pt"
        ).to(network.device)
        with torch.inference_mode():
            states = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        real = batch["attention_mask"][:, :, None].to(states.dtype)
        vectors[rows] = ((states * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)).float().cpu().numpy()
    return vectors
