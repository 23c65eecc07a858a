"""A published network built without memory and filled shard by shard, straight on the device it is to run on."""

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

from .eight_bit import is_8bit, quantised, replace_matrices
from .files import Checkpoint
from .formats import published_name, translate_config

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"

_SHOWN = 10
"""How many differences a refusal names."""

_DERIVED = re.compile(r".*rotary_emb\.inv_freq")
"""Tensors that older checkpoints store and that follow from the configuration."""


def empty_network(config: dict[str, Any]) -> PreTrainedModel:
    """The network of a configuration of transformers, its parameters without memory and not to be trained.

    Input embedding and output head are two tensors, whatever the configuration says: both are trained.
    """
    kind = config["model_type"]
    settings = AutoConfig.for_model(**{**config, "model_type": kind, "tie_word_embeddings": False})
    with init_empty_weights(include_buffers=False):
        network = AutoModelForCausalLM.from_config(settings, attn_implementation="sdpa")
    return network.requires_grad_(False)


def dtype_on(device: str) -> torch.dtype:
    """bf16 on a GPU, float32 on a CPU."""
    return torch.bfloat16 if device == "cuda" else torch.float32


def place_of(device: str) -> str:
    """The same with its number: for safetensors `cuda` is the first GPU, whichever is this process's own."""
    return f"cuda:{torch.cuda.current_device()}" if device == "cuda" else device


def load_network(
    checkpoint: Checkpoint, families: tuple[str, ...], device: str, *, in_8bit: bool = False
) -> PreTrainedModel:
    """Build a checkpoint's network on a device; the machine's memory holds no more than a tensor at a time.

    Weights are bf16 on a GPU and float32 on a CPU; the output head is float32 on both, since what it gives is compared.

    Args:
        checkpoint: its files.
        families: model types that the backbone reads.
        device: where it goes.
        in_8bit: keep the matrices of the blocks in 8 bits (bitsandbytes).

    Raises:
        DataError: it is of another family, or its tensors are not those of its configuration; ten are named.
        UsageError: 8 bits are asked for and bitsandbytes is not installed.
    """
    config = translate_config(checkpoint.config, checkpoint.name, families)
    network = empty_network(config)
    names = _names(network, checkpoint, tied=config.get("tie_word_embeddings", False))
    if in_8bit:
        replace_matrices(network.model)
    in_file = [(checkpoint.files[theirs], ours, theirs) for ours, theirs in names]
    for file, group in groupby(sorted(in_file), key=itemgetter(0)):
        with safe_open(checkpoint.folder / file, framework="pt", device=place_of(device)) as shard:
            for _, ours, theirs in group:
                _put(network, ours, shard.get_tensor(theirs), device)
    nn.Module.to(network, device)  # buffers; the method of transformers is typed too narrowly
    return network.eval()


def _put(network: nn.Module, name: str, value: Tensor, device: str) -> None:
    """Make a tensor the parameter of that name."""
    path, _, leaf = name.rpartition(".")
    layer = network.get_submodule(path)
    if is_8bit(getattr(layer, leaf)):
        setattr(layer, leaf, quantised(value, device))
        return
    head = name == HEAD  # a copy: where it is tied, it is the embedding's memory
    placed = value.to(torch.float32 if head else dtype_on(device), copy=head)
    setattr(layer, leaf, nn.Parameter(placed, requires_grad=False))


def _names(network: nn.Module, checkpoint: Checkpoint, *, tied: bool) -> list[tuple[str, str]]:
    """(our name, the checkpoint's name) of each tensor.

    Raises:
        DataError: names or shapes differ.
    """
    family = checkpoint.config["model_type"]
    pairs = [(name, published_name(name, family)) for name, _ in network.named_parameters()]
    if tied and published_name(HEAD, family) not in checkpoint.shapes:
        pairs = [(ours, published_name(EMBEDDING, family) if ours == HEAD else theirs) for ours, theirs in pairs]
    wanted = {theirs: tuple(network.get_parameter(ours).shape) for ours, theirs in pairs}
    found = {name: shape for name, shape in checkpoint.shapes.items() if not _DERIVED.fullmatch(name)}
    differences = [f"{name} is missing" for name in wanted if name not in found]
    differences += [f"{name} is unknown" for name in found if name not in wanted]
    differences += [
        f"{name} is {_by(found[name])} and not {_by(shape)}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    if differences:
        more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise DataError(
            f"the weights of the checkpoint '{checkpoint.name}' are not those of its config.json: "
            f"{', '.join(differences[:_SHOWN])}{more}; get the checkpoint again, or another"
        )
    return pairs


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


@torch.no_grad()
def grow(network: PreTrainedModel, ids: list[int], seed: int) -> None:
    """Give tokens rows of their own in the input embedding and the output head.

    Each row is drawn from the normal distribution of the rows before it, dimension by dimension, so that a new token
    looks like any other. Rows that the checkpoint has beyond its tokenizer are drawn anew too.

    Args:
        network: from `load_network`.
        ids: the new tokens, rising; nothing happens where there are none.
        seed: of the draw.
    """
    if not ids:
        return
    generator = torch.Generator().manual_seed(seed)
    layers: tuple[Any, Any] = (network.get_input_embeddings(), network.get_output_embeddings())
    for layer in layers:
        weight = layer.weight
        known = weight[: ids[0]]
        noise = torch.randn(len(ids), weight.shape[1], generator=generator).to(weight.device)
        drawn = known.float().mean(0) + noise * known.float().std(0)
        bigger = weight.new_zeros(max(len(weight), ids[-1] + 1), weight.shape[1])
        bigger[: len(weight)] = weight
        bigger[torch.tensor(ids, device=weight.device)] = drawn.to(weight.dtype)
        layer.weight = nn.Parameter(bigger, requires_grad=False)
        if isinstance(layer, nn.Embedding):
            layer.num_embeddings = len(bigger)
        else:
            layer.out_features = len(bigger)
    network.config.vocab_size = len(layers[0].weight)
