"""LoRA on published LLMs through peft (semantics section 3): what is trained, kept and read back.

Low-rank updates on the seven matrices of every block, beside them the input embedding and the output head: whole
(`train_tokens=all`), or the rows of the new codes only (`train_tokens=new`).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from transformers import PreTrainedModel

from mindrec_bench.errors import DataError

ADAPTER = "adapter"
"""Folder of the trained weights, in the format of peft."""

RANK, ALPHA = 8, 32
MATRICES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TOKENS = ["embed_tokens", "lm_head"]

TrainTokens = Literal["all", "new"]


def add_lora(network: PreTrainedModel, codes: list[int], train_tokens: TrainTokens, dropout: float) -> PeftModel:
    """Freeze a network but for what is trained, which is float32: AdamW's steps are lost in bf16.

    Args:
        network: from `checkpoint_weights`, grown by the codes.
        codes: their tokens, rising.
        train_tokens: `all` rows of embedding and head, or those of the codes.
        dropout: on the inputs of the low-rank updates.
    """
    rows = {"trainable_token_indices": dict.fromkeys(TOKENS, codes)}
    whole = {"modules_to_save": TOKENS}
    settings: dict[str, Any] = whole if train_tokens == "all" else rows
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=dropout, target_modules=MATRICES, task_type="CAUSAL_LM", **settings
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")  # peft asks for it
        lora: Any = get_peft_model(network, config)
    for parameter in lora.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return lora


def trained_weights(network: PeftModel) -> dict[str, torch.Tensor]:
    """The trained tensors under peft's names."""
    return dict(get_peft_model_state_dict(network, save_embedding_layers=False))


def set_trained_weights(network: PeftModel, weights: dict[str, torch.Tensor]) -> None:
    """Put back what `trained_weights` gave.

    Raises:
        RuntimeError: names or shapes differ.
    """
    mine = {name: tensor.shape for name, tensor in trained_weights(network).items()}
    if mine != {name: tensor.shape for name, tensor in weights.items()}:
        raise RuntimeError("the trained tensors are those of another network")
    set_peft_model_state_dict(network, weights)


def save_lora(network: PeftModel, folder: Path) -> None:
    """Write the trained weights to `folder/adapter`, in safetensors."""
    network.save_pretrained(str(folder / ADAPTER), safe_serialization=True, save_embedding_layers=False)


def load_lora(network: PreTrainedModel, folder: Path, device: str) -> PeftModel:
    """Read the trained weights of `folder/adapter` onto the network that they were trained on.

    Raises:
        DataError: they are missing, broken, or of another network.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
            return PeftModel.from_pretrained(network, str(folder / ADAPTER), torch_device=device)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise DataError(
            f"the adapter in {folder / ADAPTER} is missing, damaged or of another network "
            f"({str(error).splitlines()[0]}); fit the model again with --fresh"
        ) from error
