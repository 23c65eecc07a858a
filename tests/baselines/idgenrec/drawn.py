"""Small models of `idgenrec` with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import T5Config, T5ForConditionalGeneration

from mindrec_baselines.idgenrec import IdGenRec
from mindrec_baselines.textual_ids import alternating_training
from mindrec_baselines.textual_ids.model import IdModel
from mindrec_baselines.textual_ids.subwords import PAD, Subwords
from mindrec_baselines.textual_ids.unique_ids import id_space
from mindrec_bench.core.backbone import Task

SHORT = IdGenRec(rounds=2, epochs=1, batch=64, keyword_epochs=4, generator_lr=1e-3)


def random_model(given: Task, size: int = 12) -> IdModel:
    """Untrained, with IDs of 1 to 3 tokens drawn at random; some begin others."""
    filled = IdGenRec().with_size_defaults("tiny")
    texts = given.data.named_texts("the test")
    subwords = filled._subwords(texts, "tiny", Path("none"))
    network = filled._network_over(subwords, texts, given)
    rng = np.random.default_rng(0)
    ids: dict[tuple[int, ...], None] = {}
    while len(ids) < given.data.n_items:
        ids[tuple(rng.integers(5, 5 + size, rng.integers(1, 4)).tolist())] = None
    alternating_training.set_ids(network, list(ids))
    return IdModel(network.eval(), id_space(list(ids)))


def save_t5(folder: Path, given: Task, **changes: Any) -> Path:
    texts = given.data.named_texts("the test")
    subwords = Subwords.trained(texts.title, 120)
    widths = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_layers": 1, "num_heads": 2}
    settings = {"vocab_size": 128, "decoder_start_token_id": PAD, **widths}
    torch.manual_seed(5)
    T5ForConditionalGeneration(T5Config(**settings | changes)).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(subwords.json, encoding="utf-8")
    return folder
