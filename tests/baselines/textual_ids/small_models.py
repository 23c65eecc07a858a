"""Small models of `idgenrec` with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import T5Config, T5ForConditionalGeneration

from mindrec_baselines.idgenrec import IdGenRec
from mindrec_baselines.textual_ids.model import TextualIdModel
from mindrec_baselines.textual_ids.subword_tokenizer import PAD, SubwordTokenizer
from mindrec_baselines.textual_ids.unique_ids import id_code_space
from mindrec_bench.core.backbone import Task

SHORT = IdGenRec(rounds=2, epochs=1, batch=64, keyword_epochs=4, generator_lr=1e-3)


def random_model(task: Task, n_words: int = 12) -> TextualIdModel:
    """An untrained model with random IDs of 1 to 3 tokens; some are prefixes of others."""
    backbone = IdGenRec().with_size_defaults("tiny")
    texts = task.data.require_texts("the test")
    tokenizer = backbone.make_tokenizer(texts, "tiny", Path("none"))
    network = backbone.new_network(tokenizer, texts, task)
    rng = np.random.default_rng(0)
    ids: dict[tuple[int, ...], None] = {}
    while len(ids) < task.data.n_items:
        ids[tuple(rng.integers(5, 5 + n_words, rng.integers(1, 4)).tolist())] = None
    network.set_ids(list(ids))
    return TextualIdModel(network.eval(), id_code_space(list(ids)))


def save_t5(folder: Path, task: Task, **changes: Any) -> Path:
    """Write a tiny T5 with random weights and its tokenizer; `changes`: to its configuration."""
    texts = task.data.require_texts("the test")
    tokenizer = SubwordTokenizer.train(texts.title, 120)
    widths = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_layers": 1, "num_heads": 2}
    settings = {"vocab_size": 128, "decoder_start_token_id": PAD, **widths}
    torch.manual_seed(5)
    T5ForConditionalGeneration(T5Config(**settings | changes)).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer.json, encoding="utf-8")
    return folder
