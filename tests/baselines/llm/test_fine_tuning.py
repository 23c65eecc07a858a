"""LoRA fine-tuning: from a checkpoint to a stored adapter and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mindrec_baselines.llada import Llada
from mindrec_baselines.llama3 import Llama3
from mindrec_baselines.llm.prompt_collator import prompt_collator
from mindrec_baselines.llm.text_network import TextNetwork
from mindrec_baselines.qwen2_5 import Qwen25
from mindrec_bench.errors import DataError

from ..made_checkpoints import write_checkpoint
from ..published import SHORT_TEMPLATES, task, write_short_templates

BACKBONES = {"llada": Llada, "llama": Llama3, "qwen2": Qwen25}
SLOTS = tuple(range(6))


def make_backbone(folder: Path, family: str, **options):
    options = {"epochs": 2, "lr": 5e-3, "batch": 24, **options}
    return BACKBONES[family](checkpoint=str(folder), template=write_short_templates(folder), **options)


def log_probs(model, data) -> torch.Tensor:
    histories = data.test().histories[:6]
    context = model.begin(histories, SLOTS)
    if isinstance(model.encoder.mask_token_id, int):
        return context.log_probs(torch.full((6, 2, 6), -1), SLOTS)
    return context.next_log_probs(torch.zeros(6, 2, 2, dtype=torch.long))


@pytest.fixture(scope="module", params=["llada", "llama", pytest.param("qwen2", marks=pytest.mark.slow)])
def fitted(request, chain, tmp_path_factory):
    """(backbone, task, folder, report, log-probabilities before storing)"""
    base = tmp_path_factory.mktemp(request.param)
    write_checkpoint(base / "checkpoint", request.param)
    backbone, chain_task, folder = (
        make_backbone(base / "checkpoint", request.param),
        task(chain(users=24)),
        base / "fit",
    )
    before_storing = []
    save_weights = TextNetwork.save_weights

    def recording(self, to, tensors):
        save_weights(self, to, tensors)
        before_storing.append(log_probs(self.eval(), chain_task.data))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextNetwork, "save_weights", recording)
        report = backbone.fit(chain_task, folder)
    return backbone, chain_task, folder, report, before_storing[0]


def test_the_loss_falls(fitted):
    report = fitted[3]
    assert report.valid_loss[-1] < report.valid_loss[0]
    assert report.epochs == 2


def test_a_stored_model_is_read_back(fitted):
    backbone, chain_task, folder, _, before = fitted
    model = backbone.load(chain_task, folder)
    torch.testing.assert_close(log_probs(model, chain_task.data), before, rtol=0, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    second = make_backbone(
        Path(backbone.checkpoint),
        {"Llada": "llada", "Llama3": "llama"}.get(type(backbone).__name__, "qwen2"),
    )
    assert second.fit(chain_task, folder).valid_loss == fitted[3].valid_loss, "a second call trains nothing"


def test_the_published_weights_are_not_stored(fitted):
    folder, report = fitted[2], fitted[3]
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} <= {
        "adapter/README.md",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "losses.csv",
        "model.json",
    }
    stored = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert sum(tensor.numel() for tensor in stored.values()) == report.parameters
    assert not any("base_layer" in name for name in stored)
    settings = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert (settings["r"], settings["lora_alpha"], settings["lora_dropout"]) == (8, 32, 0.05)
    matrices = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert set(settings["target_modules"]) == matrices
    assert set(settings["modules_to_save"]) == {"embed_tokens", "lm_head"}


def test_train_tokens_new_trains_the_rows_of_the_codes(tmp_path, chain):
    tensors = write_checkpoint(tmp_path, "llada")
    backbone, chain_task = make_backbone(tmp_path, "llada", epochs=1, train_tokens="new"), task(chain(users=16))
    report = backbone.fit(chain_task, tmp_path / "fit")
    codes = chain_task.space.offsets[-1]
    low_rank = 8 * sum(sum(shape.shape) for name, shape in tensors.items() if "blocks" in name and shape.ndim == 2)
    assert report.parameters == low_rank + 2 * codes * 16
    model = backbone.load(chain_task, tmp_path / "fit")
    base = model.lora.get_base_model()
    for layer, name in ((base.model.embed_tokens, "wte"), (base.lm_head, "ff_out")):
        (adapter,) = layer.active_adapters
        merged = layer.token_adapter.get_merged_weights([adapter])
        known = tensors[f"model.transformer.{name}.weight"]
        first = int(model.encoder.code_token_ids[0])
        torch.testing.assert_close(merged[:first], known[:first], rtol=0, atol=0)
        changed = (merged[first : first + codes] != layer.token_adapter.base_layer.weight[first : first + codes]).any(1)
        assert changed.float().mean() > 0.9
    assert torch.isfinite(log_probs(model, chain_task.data)[..., 0]).all()


def test_an_interrupted_training_continues_and_its_checkpoints_hold_what_is_trained(tmp_path, chain, monkeypatch):
    write_checkpoint(tmp_path, "llada")
    monkeypatch.setattr("mindrec_baselines.training.progress.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("mindrec_baselines.training.progress.FORECAST_STEPS", 3)
    backbone, chain_task = make_backbone(tmp_path, "llada", epochs=1), task(chain(users=12))
    whole = backbone.fit(chain_task, tmp_path / "whole")

    def stop(progress: object) -> str:
        raise KeyboardInterrupt

    forecast = "mindrec_baselines.training.progress.TrainingProgress.forecast"
    with monkeypatch.context() as patch:
        patch.setattr(forecast, stop)
        with pytest.raises(KeyboardInterrupt):
            backbone.fit(chain_task, tmp_path / "fit")
    *_, checkpoint = sorted((tmp_path / "fit" / "checkpoints").glob("checkpoint-*"))
    saved = load_file(checkpoint / "model.safetensors")
    assert sum(tensor.numel() for tensor in saved.values()) == whole.parameters
    again = backbone.fit(chain_task, tmp_path / "fit")
    assert again.valid_loss == whole.valid_loss
    uninterrupted, interrupted = (
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("whole", "fit")
    )
    for name, tensor in uninterrupted.items():
        torch.testing.assert_close(interrupted[name], tensor, rtol=0, atol=0)


def test_gradient_checkpointing_gives_the_same_losses(tmp_path, chain, monkeypatch):
    write_checkpoint(tmp_path, "llama")
    chain_task = task(chain(users=12))
    storing, recomputing = (
        make_backbone(tmp_path, "llama", epochs=1, dropout=0.0, gradient_checkpointing=checkpointing)
        for checkpointing in (False, True)
    )
    networks, save_weights = [], TextNetwork.save_weights
    monkeypatch.setattr(
        TextNetwork, "save_weights", lambda self, *args: (networks.append(self), save_weights(self, *args))
    )
    losses = [
        backbone.fit(chain_task, tmp_path / str(index)).valid_loss
        for index, backbone in enumerate((storing, recomputing))
    ]
    assert [network.blocks.layers[0].gradient_checkpointing for network in networks] == [False, True]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


@pytest.mark.parametrize(("family", "train_tokens"), [("llada", "all"), ("qwen2", "new")])
def test_in_bf16_as_on_a_gpu(tmp_path, chain, monkeypatch, family, train_tokens):
    """The published weights in bf16 under autocast; trained tensors stay float32 until inference."""
    write_checkpoint(tmp_path, family)
    monkeypatch.setattr("mindrec_baselines.checkpoints.weights.dtype_on", lambda device: torch.bfloat16)
    monkeypatch.setattr("mindrec_baselines.training.trainer.use_bf16", lambda device, on_cpu: True)
    backbone, chain_task = make_backbone(tmp_path, family, train_tokens=train_tokens), task(chain(users=10))
    report = backbone.fit(chain_task, tmp_path / "fit")
    assert report.valid_loss[-1] < report.valid_loss[0]
    assert report.precision == "bf16"
    stored = load_file(tmp_path / "fit" / "adapter" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float32}
    model = backbone.load(chain_task, tmp_path / "fit")
    assert {parameter.dtype for name, parameter in model.named_parameters() if "lm_head" not in name} == {
        torch.bfloat16
    }
    assert {parameter.dtype for parameter in model.lora.get_base_model().lm_head.parameters()} == {torch.float32}
    after_loading = log_probs(model, chain_task.data)
    assert after_loading.dtype == torch.float32
    assert torch.isfinite(after_loading[..., 0]).all()


def test_batches_have_the_objective_over_codes_and_sampled_templates(tmp_path, chain):
    write_checkpoint(tmp_path, "llada")
    backbone, chain_task = make_backbone(tmp_path, "llada"), task(chain())
    config = json.loads((tmp_path / "config.json").read_text())
    encoder = backbone.trainer("checkpoint").prompt_encoder(chain_task, tmp_path, config)
    examples, keys = chain_task.data.validation(), np.arange(60)
    over_codes = backbone.collator(chain_task, 0)(examples, keys)
    batch = prompt_collator(backbone.collator(chain_task, 0), chain_task.seed, encoder, 0)(examples, keys)
    for name in ("revealed", "labels", "weights"):
        torch.testing.assert_close(batch[name], over_codes[name], rtol=0, atol=0)
    assert set(batch) == {"prompt_ids", "attention_mask", "revealed", "labels", "weights"}
    texts = encoder.tokenizer.batch_decode(
        [row[mask] for row, mask in zip(batch["prompt_ids"], batch["attention_mask"], strict=True)]
    )
    templates = [
        next(index for index, short in enumerate(SHORT_TEMPLATES) if short.split("{")[0] + "<c1" in text)
        for text in texts
    ]
    assert 15 < sum(templates) < 45
    again = prompt_collator(backbone.collator(chain_task, 0), chain_task.seed, encoder, 0)(examples, keys)
    assert torch.equal(again["prompt_ids"], batch["prompt_ids"])
    held_out = prompt_collator(backbone.collator(chain_task, 1), chain_task.seed, encoder, 1)(examples, keys)
    assert all(text.count("a <c1") == 1 for text in encoder.tokenizer.batch_decode(held_out["prompt_ids"]))


def test_prompts_that_are_read_once_are_trained_and_loaded_so(tmp_path, chain):
    write_checkpoint(tmp_path, "llada")
    backbone, chain_task = make_backbone(tmp_path, "llada", attention="prefix"), task(chain(users=16))
    report = backbone.fit(chain_task, tmp_path / "fit")
    assert report.valid_loss[-1] < report.valid_loss[0]
    context = backbone.load(chain_task, tmp_path / "fit").begin(chain_task.data.test().histories[:4], SLOTS)
    assert context.keys_values is not None
    assert torch.isfinite(context.log_probs(torch.full((4, 2, 6), -1), SLOTS)[..., 0]).all()


def test_another_family_is_refused_before_anything_is_loaded(tmp_path, chain):
    write_checkpoint(tmp_path, "qwen2")
    with pytest.raises(DataError, match="has model_type 'qwen2', but this model reads llada and llama"):
        make_backbone(tmp_path, "llada").fit(task(chain()), tmp_path / "fit")
    assert not (tmp_path / "fit").exists()


def test_load_refuses_damaged_files_and_other_slots(fitted, chain, tmp_path):
    backbone, chain_task, folder, *_ = fitted
    with pytest.raises(DataError, match="fitted for slots of"):
        backbone.load(task(chain(), categories=False), folder)
    with pytest.raises(DataError, match=r"model\.json is missing"):
        backbone.load(chain_task, tmp_path)
    (tmp_path / "model.json").write_bytes((folder / "model.json").read_bytes())
    with pytest.raises(DataError, match=r"adapter is missing, damaged or of another network"):
        backbone.load(chain_task, tmp_path)
    for path in (folder / "adapter").iterdir():
        (tmp_path / "adapter").mkdir(exist_ok=True)
        content = path.read_bytes()
        (tmp_path / "adapter" / path.name).write_bytes(content[: len(content) // 2 if "model" in path.name else None])
    with pytest.raises(DataError, match=r"adapter is missing, damaged or of another network"):
        backbone.load(chain_task, tmp_path)
