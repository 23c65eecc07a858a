"""Loads a published network tensor by tensor, directly to its device."""

from __future__ import annotations

import re
from itertools import groupby
from operator import itemgetter
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from mindrec_bench.errors import DataError

from .eight_bit import is_8bit, quantize, replace_linears
from .files import Checkpoint
from .formats import published_name, translate_config

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"

_MAX_DIFFERENCES = 10
"""How many differences an error message names."""

_DERIVED = re.compile(r".*rotary_emb\.inv_freq")
"""Tensors that older checkpoints contain although they follow from the configuration."""


def empty_network(config: dict[str, Any]) -> PreTrainedModel:
    """The network of a configuration of transformers, frozen, with parameters on the meta device.

    Input embedding and output head are two tensors, whatever the configuration says, because both are trained.
    """
    untied = AutoConfig.for_model(**{**config, "tie_word_embeddings": False})
    with init_empty_weights(include_buffers=False):
        network = AutoModelForCausalLM.from_config(untied, attn_implementation="sdpa")
    return network.requires_grad_(False)


def dtype_on(device: str) -> torch.dtype:
    """bf16 on CUDA, else float32: the older ones of Apple's GPUs only emulate bf16."""
    return torch.bfloat16 if device == "cuda" else torch.float32


def indexed_device(device: str) -> str:
    """The device with its index: for safetensors `cuda` is the first GPU, not the current one of this process."""
    return f"cuda:{torch.cuda.current_device()}" if device == "cuda" else device


def load_network(
    checkpoint: Checkpoint, families: tuple[str, ...], device: str, *, in_8bit: bool = False
) -> PreTrainedModel:
    """Load a checkpoint's network to a device; the machine's memory holds no more than one tensor at a time.

    Weights are bf16 on CUDA, else float32; the output head is always float32, because its scores are compared.

    Args:
        checkpoint: its files.
        families: the model types that the backbone accepts.
        device: `cpu`, `cuda` or `mps`.
        in_8bit: keep the matrices of the blocks in 8 bits (bitsandbytes).

    Raises:
        DataError: it is of another family, or its tensors are not those of its configuration; the first ten differences
            are named.
        UsageError: `in_8bit` without bitsandbytes.
    """
    config = translate_config(checkpoint.config, checkpoint.name, families)
    network = empty_network(config)
    names = _match_names(network, checkpoint, tied=config.get("tie_word_embeddings", False))
    if in_8bit:
        replace_linears(network.model)
    by_file = sorted((checkpoint.files[published], name, published) for name, published in names)
    for file, group in groupby(by_file, key=itemgetter(0)):
        with safe_open(checkpoint.folder / file, framework="pt", device=indexed_device(device)) as shard:
            for _, name, published in group:
                _set_parameter(network, name, shard.get_tensor(published), device)
    nn.Module.to(network, device)  # the buffers; the method of transformers has too narrow a type
    return network.eval()


def _set_parameter(network: nn.Module, name: str, value: Tensor, device: str) -> None:
    path, _, attribute = name.rpartition(".")
    layer = network.get_submodule(path)
    if is_8bit(getattr(layer, attribute)):
        setattr(layer, attribute, quantize(value, device))
        return
    is_head = name == HEAD  # copied, because a tied head shares the embedding's memory
    value = value.to(torch.float32 if is_head else dtype_on(device), copy=is_head)
    setattr(layer, attribute, nn.Parameter(value, requires_grad=False))


def _match_names(network: nn.Module, checkpoint: Checkpoint, *, tied: bool) -> list[tuple[str, str]]:
    """(name in the network, name in the checkpoint) of each parameter.

    Raises:
        DataError: names or shapes differ.
    """
    family = checkpoint.config["model_type"]
    pairs = [(name, published_name(name, family)) for name, _ in network.named_parameters()]
    if tied and published_name(HEAD, family) not in checkpoint.shapes:
        embedding = published_name(EMBEDDING, family)
        pairs = [(name, embedding if name == HEAD else published) for name, published in pairs]
    expected = {published: tuple(network.get_parameter(name).shape) for name, published in pairs}
    shapes = {name: shape for name, shape in checkpoint.shapes.items() if not _DERIVED.fullmatch(name)}
    differences = [f"{name} is missing" for name in expected if name not in shapes]
    differences += [f"{name} is unknown" for name in shapes if name not in expected]
    differences += [
        f"{name} is {_format_shape(shapes[name])} and not {_format_shape(shape)}"
        for name, shape in expected.items()
        if name in shapes and shapes[name] != shape
    ]
    if differences:
        more = f" and {len(differences) - _MAX_DIFFERENCES} more" if len(differences) > _MAX_DIFFERENCES else ""
        raise DataError(
            f"the weights of the checkpoint '{checkpoint.name}' are not those of its config.json: "
            f"{', '.join(differences[:_MAX_DIFFERENCES])}{more}; download the checkpoint again, or use another"
        )
    return pairs


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


@torch.no_grad()
def add_token_rows(network: PreTrainedModel, token_ids: list[int], seed: int) -> None:
    """Give new tokens rows in the input embedding and the output head.

    Each row is drawn from a normal distribution with the mean and standard deviation of the known rows in each
    dimension, so that a new token looks like any other. Spare rows that the checkpoint has beyond its tokenizer are
    drawn again too.

    Args:
        network: from `load_network`.
        token_ids: the new tokens, ascending; nothing happens if there are none.
        seed: of the draw.
    """
    if not token_ids:
        return
    generator = torch.Generator().manual_seed(seed)
    layers: tuple[Any, Any] = (network.get_input_embeddings(), network.get_output_embeddings())
    for layer in layers:
        weight = layer.weight
        known = weight[: token_ids[0]]
        noise = torch.randn(len(token_ids), weight.shape[1], generator=generator).to(weight.device)
        new_rows = known.float().mean(0) + noise * known.float().std(0)
        extended = weight.new_zeros(max(len(weight), token_ids[-1] + 1), weight.shape[1])
        extended[: len(weight)] = weight
        extended[torch.tensor(token_ids, device=weight.device)] = new_rows.to(weight.dtype)
        layer.weight = nn.Parameter(extended, requires_grad=False)
        if isinstance(layer, nn.Embedding):
            layer.num_embeddings = len(extended)
        else:
            layer.out_features = len(extended)
    network.config.vocab_size = len(layers[0].weight)
