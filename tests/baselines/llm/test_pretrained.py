"""Published sizes of `llada`, `llama3` and `qwen2.5`: options, identity, `--size auto`, and whole runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mindrec_baselines.checkpoints import memory
from mindrec_baselines.llada import Llada
from mindrec_baselines.llama3 import Llama3
from mindrec_baselines.llm.fine_tuning import LoraFineTuning
from mindrec_baselines.qwen2_5 import Qwen25
from mindrec_baselines.training.size_trainer import FromScratch
from mindrec_bench.cli.main import cli
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.plugins.options import build
from mindrec_bench.store.run_spec import ModelSpec
from mindrec_bench.testing import check_backbone

from ..made_checkpoints import write_checkpoint
from ..published import write_short_templates

BACKBONES = {"llada": Llada, "llama": Llama3, "qwen2": Qwen25}
SIZES = {Llada: "8b", Llama3: "8b", Qwen25: "7b"}
each_backbone = pytest.mark.parametrize("backbone", SIZES)
DATA = "arts-sim:users=16,items=50"


@each_backbone
def test_the_settings_of_the_paper(backbone):
    options = backbone().with_size_defaults(SIZES[backbone])
    assert (options.epochs, options.batch, options.weight_decay, options.dropout) == (3, 8, 0.01, 0.05)
    assert options.lr == (7e-5 if backbone is Llada else 1e-4)
    assert options.checkpoint == backbone.hub[SIZES[backbone]]
    config = options.training_config(SIZES[backbone])
    assert (config.warmup, config.decay) == (50, 0.1)


@each_backbone
def test_each_size_has_its_trainer(backbone):
    kinds = {size: type(backbone().trainer(size)) for size in ("tiny", "small", SIZES[backbone])}
    assert kinds == {"tiny": FromScratch, "small": FromScratch, SIZES[backbone]: LoraFineTuning}
    assert backbone(checkpoint="org/name").trainer("checkpoint").checkpoint == "org/name"


@each_backbone
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_sizes_trained_from_scratch_read_no_files(backbone, size):
    assert backbone().file_fingerprints(size) == {}
    assert ModelSpec.of("x", backbone(), size) == ModelSpec("x", size=size), "nothing differs from the defaults"


@each_backbone
@pytest.mark.parametrize(
    "option", ["checkpoint=/x", "template=x.txt", "pad=attend", "train_tokens=new", "gradient_checkpointing=yes"]
)
def test_options_of_published_sizes_are_refused_at_others(backbone, option):
    changed = build(backbone, "model", dict([option.split("=")]))
    with pytest.raises(UsageError, match=rf"option '{option.split('=')[0]}' is for published LLMs, and size 'small'"):
        changed.file_fingerprints("small")


@each_backbone
def test_a_size_and_its_weights_must_agree(backbone):
    size = SIZES[backbone]
    with pytest.raises(UsageError, match="needs weights; name a folder or a hub id with --checkpoint"):
        backbone().file_fingerprints("checkpoint")
    with pytest.raises(
        UsageError, match=rf"size '{size}' is {backbone.hub[size]}; for other weights give --checkpoint"
    ):
        backbone(checkpoint="/x").file_fingerprints(size)


def test_the_identity_depends_on_the_content_of_files(tmp_path):
    write_checkpoint(tmp_path / "a", "llama")
    write_checkpoint(tmp_path / "b", "llama")
    template = write_short_templates(tmp_path)
    first, second = (Llama3(checkpoint=str(tmp_path / name), template=template) for name in "ab")
    assert first.file_fingerprints("checkpoint") == second.file_fingerprints("checkpoint")
    assert set(first.file_fingerprints("checkpoint")) == {"checkpoint", "prompts"}
    before = first.file_fingerprints("checkpoint")
    Path(template).write_text("{history}!")
    assert first.file_fingerprints("checkpoint") != before
    before = first.file_fingerprints("checkpoint")
    write_checkpoint(tmp_path / "a", "llama", seed=1)
    assert first.file_fingerprints("checkpoint") != before


@each_backbone
def test_auto_size(backbone, monkeypatch):
    size = SIZES[backbone]
    checked = []
    monkeypatch.setattr(memory, "auto_size_obstacle", lambda name: checked.append(name) or "too big")
    default = backbone()
    assert default.auto_size(simulation=True, device="cuda")[0] == "tiny"
    size_on_cpu, why = default.auto_size(simulation=False, device="cpu")
    assert (size_on_cpu, why) == ("small", f"the largest that is not a published LLM; {size} needs a GPU")
    assert checked == []
    assert default.auto_size(simulation=False, device="cuda") == ("small", "too big")
    monkeypatch.setattr(memory, "auto_size_obstacle", lambda name: "")
    assert default.auto_size(simulation=False, device="cuda")[0] == size
    assert backbone(checkpoint="x/y").auto_size(simulation=True, device="cpu")[0] == "checkpoint"


def test_the_checkpoint_flag_is_the_option():
    resolved = resolve_config(ExperimentConfig("llada", "bs", checkpoint="org/name"))
    assert resolved.backbone == Llada(checkpoint="org/name")
    assert resolved.model_label == "llada:checkpoint=org/name"
    with pytest.raises(UsageError, match="model 'markov' reads no checkpoint"):
        resolve_config(ExperimentConfig("markov", "bs", checkpoint="org/name"))
    with pytest.raises(UsageError, match="--checkpoint is a/b and --model says c/d; give one of them"):
        resolve_config(ExperimentConfig("llada:checkpoint=c/d", "bs", checkpoint="a/b"))


def test_missing_weights_end_a_run_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr("mindrec_bench.io.hub.Repository.cached", lambda *_: None)

    class Api:
        def model_info(self, *args, **kwargs):
            raise ConnectionError

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    with pytest.raises(DataError, match=r"'GSAI-ML/LLaDA-8B-Instruct' is not on this machine .*; go online, or give"):
        run_experiment(
            ExperimentConfig("llada", "bs", data=DATA, size="8b"),
            ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu"),
        )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("model", "family", "decoder", "categories"),
    [
        ("llada", "llada", "dbs-penalty", "given"),
        ("llama3", "llama", "ar-beam", "history"),
        pytest.param("qwen2.5", "qwen2", "ar-beam", None, marks=pytest.mark.slow),
    ],
)
def test_a_whole_run(tmp_path, model, family, decoder, categories):
    write_checkpoint(tmp_path / "checkpoint", family)
    model_spec = f"{model}:epochs=1,batch=32,template={write_short_templates(tmp_path)}"
    config = ExperimentConfig(
        model_spec,
        decoder,
        data=DATA,
        checkpoint=str(tmp_path / "checkpoint"),
        categories=categories,
        beam=3,
        eval_users=6,
    )
    options = ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")
    summary = run_experiment(config, options).run.as_dict()
    assert summary["size"] == "checkpoint"
    assert summary["spec"]["model"]["files"]["checkpoint"].startswith("sha256:")
    assert 0 <= summary["metrics"]["hr@3"] <= 1
    assert run_experiment(config, options).run.as_dict()["finished"] == summary["finished"]
    narrower = run_experiment(replace(config, beam=2), options).run.as_dict()
    assert narrower["fit"] == summary["fit"]


def test_prompts_on_the_command_line(tmp_path):
    write_checkpoint(tmp_path, "llada")
    arguments = ["run", "-m", "llada", "-d", "bs", "--data", DATA, "--checkpoint", str(tmp_path), "--device", "cpu"]
    result = CliRunner().invoke(
        cli, [*arguments, "--runs-dir", str(tmp_path / "runs"), "--dry-run", "--show-prompt", "3"]
    )
    assert result.exit_code == 0, result.output
    assert result.output.count("<|startoftext|><|start_header_id|>user") == 3
    assert result.output.count("s4 at ") == 3
    assert "checkpoint=sha256:" in result.output
    assert not (tmp_path / "runs").exists()


def test_prompts_without_categories_have_another_fit(tmp_path):
    data = ArtsSim(users=16, items=50).load(None, users=None)
    write_checkpoint(tmp_path, "llada")
    config = ExperimentConfig("llada", "bs", data=DATA, checkpoint=str(tmp_path), categories="none")
    assert (
        resolve_config(config).run_spec(data).fit.id
        != resolve_config(replace(config, categories=None)).run_spec(data).fit.id
    )


@pytest.mark.parametrize("family", [pytest.param("llada", marks=pytest.mark.slow), "qwen2"])
def test_it_fulfils_the_backbone_contract(tmp_path, family):
    """See `check_backbone`."""
    write_checkpoint(tmp_path, family)
    template = write_short_templates(tmp_path)
    backbone = BACKBONES[family](checkpoint=str(tmp_path), template=template, epochs=1, batch=32, lr=5e-3)
    data = ArtsSim(users=8, items=50).load(None, users=None)
    check_backbone(backbone, size="checkpoint", data=data)
