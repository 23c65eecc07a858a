"""Miniature published checkpoints, and text networks from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mindrec_baselines.checkpoints.files import open_checkpoint
from mindrec_baselines.checkpoints.weights import add_token_rows, load_network
from mindrec_baselines.llm.lora import add_lora
from mindrec_baselines.llm.prompt_encoder import PromptEncoder, open_prompt_encoder
from mindrec_baselines.llm.text_causal import TextCausal
from mindrec_baselines.llm.text_denoiser import TextDenoiser
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Dataset

from .made_checkpoints import write_checkpoint

SHORT_TEMPLATES = ("a {history} b", "then {history} so")
"""Short, because every byte of a prompt is a token here."""


def write_short_templates(folder: Path) -> str:
    path = folder / "short.txt"
    path.write_text("\n---\n".join(SHORT_TEMPLATES))
    return str(path)


def task(data: Dataset, *, categories: bool = True, **changes: Any) -> Task:
    return Task(data, data.space(categories=categories), **{"size": "checkpoint", "quiet": True, **changes})


def prompt_encoder(
    folder: Path, family: str, space: CodeSpace, templates=SHORT_TEMPLATES, **options: Any
) -> PromptEncoder:
    checkpoint = open_checkpoint(str(folder))
    options = {"masked": family == "llada", "released_pad": False, **options}
    return open_prompt_encoder(checkpoint.folder, checkpoint.config, space, templates, **options)


def make_network(
    folder: Path, family: str, space: CodeSpace, *, train_tokens="all", attend_pads: bool = False, **options: Any
) -> TextDenoiser | TextCausal:
    """An untrained network whose adapters are random, so that they have an effect."""
    write_checkpoint(folder, family)
    base = load_network(open_checkpoint(str(folder)), (family,), "cpu")
    encoder = prompt_encoder(folder, family, space, **options)
    add_token_rows(base, list(encoder.new_token_ids), seed=3)
    torch.manual_seed(5)
    lora = add_lora(base, encoder.code_token_ids.tolist(), train_tokens, dropout=0.0)
    for name, parameter in lora.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    network_class = TextDenoiser if family == "llada" else TextCausal
    return network_class(lora, encoder, attend_pads=attend_pads).eval()


def masked(users: int, beams: int, slots: int) -> torch.Tensor:
    return torch.full((users, beams, slots), -1)
