"""Loading published checkpoints: logits equal those of a reference, and tensors that do not fit are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mindrec_baselines.checkpoints import weights
from mindrec_baselines.checkpoints.files import open_checkpoint
from mindrec_baselines.checkpoints.formats import published_name, translate_config
from mindrec_baselines.checkpoints.weights import add_token_rows, empty_network, load_network
from mindrec_bench.errors import DataError

from ..made_checkpoints import SPARE_ROWS, write_checkpoint, write_weights
from ..plain_llm import logits
from .test_formats import PUBLISHED_CONFIG

FAMILIES = ("llada", "llama", "qwen2")
BLOCK_SHAPES = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj", "attn_out"), (4096, 4096)),
    **dict.fromkeys(("ff_proj", "up_proj"), (12288, 4096)),
    "ff_out": (4096, 12288),
    **dict.fromkeys(("attn_norm", "ff_norm"), (4096,)),
}
"""Tensors of one block of LLaDA-8B."""

IDS = [3, 41, 5, 59, 26, 5, 35, 8, 97, 9]


def load(folder: Path, family: str, **options):
    return load_network(open_checkpoint(str(folder)), (family,), "cpu", **options)


def compute_logits(network, family: str) -> torch.Tensor:
    n = len(IDS)
    allowed = torch.ones(1, 1, n, n, dtype=torch.bool)
    mask = allowed if family == "llada" else allowed.tril()
    with torch.no_grad():
        return network(input_ids=torch.tensor([IDS]), attention_mask=mask, position_ids=torch.arange(n)[None]).logits[0]


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_the_reference(tmp_path, family, shards):
    tensors = write_checkpoint(tmp_path, family, shards=shards)
    expected = logits(tensors, json.loads((tmp_path / "config.json").read_text()), IDS)
    network = load(tmp_path, family)
    torch.testing.assert_close(compute_logits(network, family).double(), expected, rtol=0, atol=1e-5)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_tensors_of_published_llada_are_those_of_the_network():
    network = empty_network(translate_config(PUBLISHED_CONFIG, "x", ("llada",)))
    shapes = {published_name(name, "llada"): tuple(p.shape) for name, p in network.named_parameters()}
    blocks = {
        f"model.transformer.blocks.{layer}.{name}.weight": shape
        for layer in range(32)
        for name, shape in BLOCK_SHAPES.items()
    }
    ends = {"wte": (126464, 4096), "ff_out": (126464, 4096), "ln_f": (4096,)}
    assert shapes == blocks | {f"model.transformer.{name}.weight": shape for name, shape in ends.items()}
    assert all(parameter.is_meta for parameter in network.parameters())
    assert not any(buffer.is_meta for buffer in network.buffers()), "rotary angles follow from the configuration"


def test_llada_has_full_attention(tmp_path):
    write_checkpoint(tmp_path, "llada")
    network = load(tmp_path, "llada")
    assert (compute_logits(network, "llada") - compute_logits(network, "llama")).abs().max() > 0.1


def test_a_tied_head_becomes_a_tensor_of_its_own(tmp_path):
    tensors = write_checkpoint(tmp_path, "qwen2", tied=True)
    network = load(tmp_path, "qwen2")
    expected = logits(tensors, json.loads((tmp_path / "config.json").read_text()), IDS)
    torch.testing.assert_close(compute_logits(network, "qwen2").double(), expected, rtol=0, atol=1e-5)
    assert network.lm_head.weight.data_ptr() != network.model.embed_tokens.weight.data_ptr()
    assert not network.config.tie_word_embeddings


def test_half_precision_files_are_read(tmp_path):
    tensors = write_checkpoint(tmp_path, "llama")
    half = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    write_weights(tmp_path, half, 2)
    network = load(tmp_path, "llama")
    torch.testing.assert_close(network.lm_head.weight, half["lm_head.weight"].float(), rtol=0, atol=0)


def test_files_are_read_one_after_another_to_the_device(tmp_path, monkeypatch):
    write_checkpoint(tmp_path, "llada", shards=3)
    safe_open, opened = weights.safe_open, []

    def recording(path, **options):
        opened.append((Path(path).name, options["device"]))
        return safe_open(path, **options)

    monkeypatch.setattr(weights, "safe_open", recording)
    network = load(tmp_path, "llada")
    assert opened == [(f"model-{shard:05}-of-00003.safetensors", "cpu") for shard in (1, 2, 3)]
    assert not any(tensor.is_meta for tensor in [*network.parameters(), *network.buffers()])


def test_differences_in_names_and_shapes_are_named(tmp_path):
    tensors = write_checkpoint(tmp_path, "llada", shards=1)
    changed = dict(tensors)
    changed["model.transformer.wpe.weight"] = torch.zeros(2)
    del changed["model.transformer.ln_f.weight"]
    changed["model.transformer.blocks.1.ff_out.weight"] = torch.zeros(4, 5)
    write_weights(tmp_path, changed, 1)
    with pytest.raises(DataError) as caught:
        load(tmp_path, "llada")
    text = str(caught.value)
    assert "model.transformer.ln_f.weight is missing, model.transformer.wpe.weight is unknown" in text
    assert "model.transformer.blocks.1.ff_out.weight is 4 x 5 and not 16 x 24" in text
    assert "more" not in text


def test_ten_differences_are_named_and_the_rest_counted(tmp_path):
    write_checkpoint(tmp_path, "llama", shards=1)
    write_weights(tmp_path, {"other": torch.zeros(1)}, 1)
    with pytest.raises(DataError) as caught:
        load(tmp_path, "llama")
    assert str(caught.value).count("is missing") == 10
    assert "and 12 more; download the checkpoint again" in str(caught.value)  # 3 + 2 x 9 missing and 1 unknown


def test_derived_tensors_of_older_checkpoints_are_ignored(tmp_path):
    tensors = write_checkpoint(tmp_path, "llama")
    write_weights(tmp_path, {**tensors, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(2)}, 2)
    expected = logits(tensors, json.loads((tmp_path / "config.json").read_text()), IDS)
    computed = compute_logits(load(tmp_path, "llama"), "llama")
    torch.testing.assert_close(computed.double(), expected, rtol=0, atol=1e-5)


def test_new_rows_are_distributed_like_known_ones_and_those_stay(tmp_path):
    tensors = write_checkpoint(tmp_path, "llama")
    network = load(tmp_path, "llama")
    rows = len(tensors["lm_head.weight"])
    token_ids = list(range(rows - SPARE_ROWS, rows + 300))
    add_token_rows(network, token_ids, seed=1)
    for layer, name in ((network.model.embed_tokens, "model.embed_tokens.weight"), (network.lm_head, "lm_head.weight")):
        known = tensors[name][: token_ids[0]]
        assert layer.weight.shape == (rows + 300, known.shape[1])
        torch.testing.assert_close(layer.weight[: token_ids[0]], known, rtol=0, atol=0)
        new_rows = layer.weight[token_ids[0] :]
        torch.testing.assert_close(new_rows.mean(0), known.mean(0), rtol=0, atol=0.06)  # std 1/4 over 305 rows: 4 sigma
        torch.testing.assert_close(new_rows.std(0), known.std(0), rtol=0.25, atol=0)
        assert len(new_rows.unique(dim=0)) == len(new_rows)
    assert (network.model.embed_tokens.num_embeddings, network.lm_head.out_features) == (rows + 300, rows + 300)
    again = load(tmp_path, "llama")
    add_token_rows(again, token_ids, seed=1)
    torch.testing.assert_close(again.lm_head.weight, network.lm_head.weight, rtol=0, atol=0)
    add_token_rows(again, [], seed=1)
    assert len(again.lm_head.weight) == rows + 300
