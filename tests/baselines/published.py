"""A published checkpoint in miniature and a data set, for the tests of text models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mindrec_baselines.checkpoints.files import open_checkpoint
from mindrec_baselines.checkpoints.weights import grow, load_network
from mindrec_baselines.llm.lora import add_lora
from mindrec_baselines.llm.prompt_encoder import PromptEncoder, open_prompt_encoder
from mindrec_baselines.llm.text_causal import TextCausal
from mindrec_baselines.llm.text_denoiser import TextDenoiser
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Dataset

from .made_checkpoints import write_checkpoint

SHORT = ("a {history} b", "then {history} so")
"""Every byte of a prompt is a token here: few are quick."""

BACKBONE = {"llada": "llada", "llama": "llama3", "qwen2": "qwen2.5"}
"""Model type -> the backbone that reads it."""


def short_template(folder: Path) -> str:
    path = folder / "short.txt"
    path.write_text("\n---\n".join(SHORT))
    return str(path)


def task(data: Dataset, *, categories: bool = True, **changes: Any) -> Task:
    given = {"size": "checkpoint", "quiet": True, **changes}
    return Task(data, data.space(categories=categories), **given)


def chat(folder: Path, family: str, space: CodeSpace, paraphrases=SHORT, **options: Any) -> PromptEncoder:
    checkpoint = open_checkpoint(str(folder), lambda line: None)
    options = {"masked": family == "llada", "released_pad": False, **options}
    return open_prompt_encoder(checkpoint.folder, checkpoint.config, space, paraphrases, **options)


def network(
    folder: Path, family: str, space: CodeSpace, *, train_tokens="all", attend_pads: bool = False, **options: Any
) -> TextDenoiser | TextCausal:
    """Untrained, but for adapters drawn at random, so that they matter."""
    write_checkpoint(folder, family)
    base = load_network(open_checkpoint(str(folder), lambda line: None), (family,), "cpu")
    words = chat(folder, family, space, **options)
    grow(base, list(words.new), seed=3)
    torch.manual_seed(5)
    lora = add_lora(base, words.codes.tolist(), train_tokens, dropout=0.0)
    for name, parameter in lora.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    kind = TextDenoiser if family == "llada" else TextCausal
    return kind(lora, words, attend_pads=attend_pads).eval()


def masked(users: int, beams: int, slots: int) -> torch.Tensor:
    return torch.full((users, beams, slots), -1)
