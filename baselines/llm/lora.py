"""LoRA on published LLMs with peft (docs/semantics.md, Training): what is trained, stored and loaded.

Low-rank updates on the seven matrices of every block, and with them the input embedding and the output head: all rows
(`train_tokens=all`), or only the rows of the new codes (`train_tokens=new`).
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

ADAPTER_FOLDER = "adapter"
"""The folder of the trained weights, in the format of peft."""

RANK, ALPHA = 8, 32
TARGET_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TOKEN_MODULES = ["embed_tokens", "lm_head"]


def add_lora(
    network: PreTrainedModel, code_token_ids: list[int], train_tokens: Literal["all", "new"], dropout: float
) -> PeftModel:
    """Freeze a network except for what is trained, which is float32: in bf16 the steps of AdamW are rounded away.

    Args:
        network: from `checkpoints.weights`, with rows for the codes.
        code_token_ids: ascending.
        train_tokens: `all` rows of embedding and head, or the `new` ones, those of the codes.
        dropout: on the inputs of the low-rank updates.
    """
    options: dict[str, Any] = {"modules_to_save": TOKEN_MODULES}
    if train_tokens == "new":
        options = {"trainable_token_indices": dict.fromkeys(TOKEN_MODULES, code_token_ids)}
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=dropout, target_modules=TARGET_MODULES, task_type="CAUSAL_LM", **options
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")  # peft asks for it
        lora: Any = get_peft_model(network, config)
    for parameter in lora.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return lora


def trained_tensors(network: PeftModel) -> dict[str, torch.Tensor]:
    """The trained tensors under peft's names."""
    return dict(get_peft_model_state_dict(network, save_embedding_layers=False))


def set_trained_tensors(network: PeftModel, tensors: dict[str, torch.Tensor]) -> None:
    """Restore what `trained_tensors` returned.

    Raises:
        RuntimeError: names or shapes differ.
    """
    expected = {name: tensor.shape for name, tensor in trained_tensors(network).items()}
    if expected != {name: tensor.shape for name, tensor in tensors.items()}:
        raise RuntimeError("the trained tensors are those of another network")
    set_peft_model_state_dict(network, tensors)


def save_lora(network: PeftModel, folder: Path) -> None:
    """Write the trained weights to `folder/adapter`, in safetensors."""
    network.save_pretrained(str(folder / ADAPTER_FOLDER), safe_serialization=True, save_embedding_layers=False)


def load_lora(network: PreTrainedModel, folder: Path, device: str) -> PeftModel:
    """Load the trained weights in `folder/adapter` onto the network that they were trained with.

    Raises:
        DataError: they are missing or damaged, or belong to another network.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
            return PeftModel.from_pretrained(network, str(folder / ADAPTER_FOLDER), torch_device=device)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise DataError(
            f"the adapter in {folder / ADAPTER_FOLDER} is missing, damaged or of another network "
            f"({str(error).splitlines()[0]}); fit the model again with --fresh all"
        ) from error
