"""Published sizes of `llada`, `llama3` and `qwen2.5`: options, identity, what `auto` means, and a whole run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mindrec_baselines.checkpoints import files, memory
from mindrec_baselines.llada import Llada
from mindrec_baselines.llama3 import Llama3
from mindrec_baselines.qwen2_5 import Qwen25
from mindrec_bench.cli.main import cli
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.io.hashing import short_hash
from mindrec_bench.plugins.options import as_dict, build
from mindrec_bench.testing import check_backbone

from ..made_checkpoints import write_checkpoint
from ..published import short_template

BACKBONES = {"llada": Llada, "llama": Llama3, "qwen2": Qwen25}
SIZES = {Llada: "8b", Llama3: "8b", Qwen25: "7b"}
MODELS = pytest.mark.parametrize("backbone", SIZES)
DATA = "arts-sim:users=16,items=50"


@MODELS
def test_the_paper_s_settings(backbone):
    filled = backbone().with_size_defaults(SIZES[backbone])
    assert (filled.epochs, filled.batch, filled.weight_decay, filled.dropout) == (3, 8, 0.01, 0.05)
    assert filled.lr == (7e-5 if backbone is Llada else 1e-4)
    assert filled.checkpoint == backbone.hub[SIZES[backbone]]
    recipe = filled._recipe(SIZES[backbone])
    assert (recipe.warmup, recipe.decay) == (50, 0.1)


@MODELS
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_identities_of_sizes_trained_from_scratch_are_what_they_were(backbone, size):
    names = {"lr", "epochs", "batch", "patience", "dropout", "weight_decay", "shuffle"}
    names |= {"p_mask"} if backbone is Llada else set()
    assert set(as_dict(backbone().with_size_defaults(size))) == names
    assert backbone().file_fingerprints(size) == {}


def test_a_stored_run_keeps_its_id():
    """Computed before published sizes existed: mrbench run -m llada -d bs, size tiny."""
    values = as_dict(Llada().with_size_defaults("tiny"))
    assert short_hash(values) == "c64ddc5148dc"


@MODELS
@pytest.mark.parametrize(
    "option", ["checkpoint=/x", "template=x.txt", "pad=attend", "train_tokens=new", "gradient_checkpointing=yes"]
)
def test_options_of_published_sizes_only(backbone, option):
    chosen = build(backbone, "model", dict([option.split("=")]))
    with pytest.raises(UsageError, match=rf"option '{option.split('=')[0]}' is for published LLMs, and size 'small'"):
        chosen.file_fingerprints("small")


@MODELS
def test_a_size_and_its_weights_must_agree(backbone):
    size = SIZES[backbone]
    with pytest.raises(UsageError, match="needs weights; name a folder or a hub id with --checkpoint"):
        backbone().file_fingerprints("checkpoint")
    with pytest.raises(
        UsageError, match=rf"size '{size}' is {backbone.hub[size]}; for other weights give --checkpoint"
    ):
        backbone(checkpoint="/x").file_fingerprints(size)


def test_the_identity_is_of_the_files(tmp_path):
    write_checkpoint(tmp_path / "a", "llama")
    write_checkpoint(tmp_path / "b", "llama")
    template = short_template(tmp_path)
    one, same = (Llama3(checkpoint=str(tmp_path / name), template=template) for name in "ab")
    assert one.file_fingerprints("checkpoint") == same.file_fingerprints("checkpoint")
    assert set(one.file_fingerprints("checkpoint")) == {"checkpoint", "prompts"}
    before = one.file_fingerprints("checkpoint")
    Path(template).write_text("{history}!")
    assert one.file_fingerprints("checkpoint") != before
    before = one.file_fingerprints("checkpoint")
    write_checkpoint(tmp_path / "a", "llama", seed=1)
    assert one.file_fingerprints("checkpoint") != before


@MODELS
def test_what_auto_means(backbone, monkeypatch):
    size = SIZES[backbone]
    asked = []
    monkeypatch.setattr(memory, "reason_against", lambda name: asked.append(name) or "too big")
    chosen = backbone()
    assert chosen.auto_size(simulation=True, device="cuda")[0] == "tiny"
    picked, why = chosen.auto_size(simulation=False, device="cpu")
    assert (picked, why) == ("small", f"the largest that is no published LLM; {size} needs a GPU")
    assert asked == []
    assert chosen.auto_size(simulation=False, device="cuda") == ("small", "too big")
    monkeypatch.setattr(memory, "reason_against", lambda name: "")
    assert chosen.auto_size(simulation=False, device="cuda")[0] == size
    assert backbone(checkpoint="x/y").auto_size(simulation=True, device="cpu")[0] == "checkpoint"


def test_the_flag_is_the_option():
    flag = resolve_config(ExperimentConfig("llada", "bs", checkpoint="org/name"))
    assert flag.backbone == Llada(checkpoint="org/name")
    assert flag.model_label == "llada:checkpoint=org/name"
    with pytest.raises(UsageError, match="model 'markov' reads no checkpoint"):
        resolve_config(ExperimentConfig("markov", "bs", checkpoint="org/name"))
    with pytest.raises(UsageError, match="--checkpoint is a/b and --model says c/d; give one of them"):
        resolve_config(ExperimentConfig("llada:checkpoint=c/d", "bs", checkpoint="a/b"))


def test_a_size_that_is_nowhere_ends_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_cached", lambda name: None)

    class Api:
        def model_info(self, *given, **more):
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
        ("qwen2.5", "qwen2", "ar-beam", None),
    ],
)
def test_a_whole_run(tmp_path, model, family, decoder, categories):
    write_checkpoint(tmp_path / "checkpoint", family)
    words = f"{model}:epochs=1,batch=32,template={short_template(tmp_path)}"
    asked = ExperimentConfig(
        words, decoder, data=DATA, checkpoint=str(tmp_path / "checkpoint"), categories=categories, beam=3, eval_users=6
    )
    setup = ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")
    summary = run_experiment(asked, setup).summary
    assert summary["size"] == "checkpoint"
    assert summary["spec"]["model"]["options"]["files"]["checkpoint"].startswith("sha256:")
    assert 0 <= summary["metrics"]["hr@3"] <= 1
    assert run_experiment(asked, setup).summary["finished"] == summary["finished"]
    other = run_experiment(replace(asked, beam=2), setup).summary
    assert other["fit"] == summary["fit"]


def test_prompts_on_the_command_line(tmp_path):
    write_checkpoint(tmp_path, "llada")
    words = ["run", "-m", "llada", "-d", "bs", "--data", DATA, "--checkpoint", str(tmp_path), "--device", "cpu"]
    done = CliRunner().invoke(cli, [*words, "--runs-dir", str(tmp_path / "runs"), "--dry-run", "--show-prompt", "3"])
    assert done.exit_code == 0, done.output
    assert done.output.count("<|startoftext|><|start_header_id|>user") == 3
    assert done.output.count("s4 at ") == 3
    assert "checkpoint=sha256:" in done.output
    assert not (tmp_path / "runs").exists()


def test_data_without_categories_is_prompted_without(tmp_path):
    data = ArtsSim(users=16, items=50).load(None, users=None, notify=pytest.fail)
    write_checkpoint(tmp_path, "llada")
    asked = ExperimentConfig("llada", "bs", data=DATA, checkpoint=str(tmp_path), categories="none")
    assert resolve_config(asked).spec(data).fit_id != resolve_config(replace(asked, categories=None)).spec(data).fit_id


@pytest.mark.parametrize("family", ["llada", "qwen2"])
def test_it_conforms(tmp_path, family):
    """Fits, resumes, answers and pads as every backbone must; see `check_backbone`."""
    write_checkpoint(tmp_path, family)
    template = short_template(tmp_path)
    chosen = BACKBONES[family](checkpoint=str(tmp_path), template=template, epochs=1, batch=32, lr=5e-3)
    data = ArtsSim(users=8, items=50).load(None, users=None, notify=lambda line: None)
    check_backbone(chosen, size="checkpoint", data=data)
