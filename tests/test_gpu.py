"""What a GPU computes, against the CPU and against itself without captured graphs; needs CUDA (`pytest -m gpu`)."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.esasrec import ESasRec
from mindrec_baselines.llada import Llada
from mindrec_baselines.llama3 import Llama3
from mindrec_baselines.qwen2_5 import Qwen25
from mindrec_baselines.rpg import Rpg
from mindrec_baselines.tiger import Tiger
from mindrec_baselines.training import loop, progress, trainer
from mindrec_baselines.training.captured import Captured, own_stream
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.lifting import adapt
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.experiment.batch_decoder import BatchDecoder, Meter
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.run import run_experiment
from mindrec_bench.plugins import registry
from mindrec_bench.store.runs import find_run

from .baselines.made_checkpoints import write_checkpoint
from .baselines.published import write_short_templates

pytestmark = pytest.mark.gpu

BACKBONES = {
    "llada": Llada(epochs=2, batch=50),
    "llada-prefix": Llada(epochs=2, batch=50, attention="prefix"),
    "llama3": Llama3(epochs=2, batch=50),
    "qwen2.5": Qwen25(epochs=2, batch=50),
    "tiger": Tiger(epochs=2, batch=50),
    "rpg": Rpg(epochs=3, batch=16),
    "esasrec": ESasRec(epochs=3, batch=16),
    "esasrec-sampled": ESasRec(epochs=3, batch=16, loss="sampled-softmax", negatives=20, early_stopping="ndcg"),
}
DECODERS = ("bs", "dbs-dedup", "dbs-penalty", "block-m:m=2", "n-per-step:n=2", "adaptive", "adaptive:reverse=yes")
CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def data():
    return ArtsSim(users=60, items=80).load(None, users=None)


def make_task(data, device: str) -> Task:
    return Task(data, data.space(categories=True), size="tiny", quiet=True, device=device)


@pytest.fixture(scope="module")
def fits(data, tmp_path_factory):
    """fits(name): the folder of a model that the CPU has fitted."""
    folders: dict[str, Path] = {}

    def fit(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp("fits") / name
            BACKBONES[name].fit(make_task(data, "cpu"), folders[name])
        return folders[name]

    return fit


def decode(backbone, folder: Path, data, decoder: str, device: str):
    """The ranking of all users, on the CPU."""
    task, made = make_task(data, device), registry.make("decoder", decoder)[1]
    model = adapt(backbone.load(task, folder), backbone.capability, made.needs, task.space, device)
    batch_decoder = BatchDecoder(model, made.needs, made, task.space, "generate", data.item_ids, 5, 42, device, 100)
    _, _, ranking = batch_decoder.decode_batch(data.test(), Meter())
    return ranking.codes.cpu(), ranking.scores.cpu()


PAIRS = [(name, decoder) for name in ("llada", "llada-prefix") for decoder in DECODERS]
PAIRS += [(name, "ar-beam") for name in ("llada", "llama3", "qwen2.5", "tiger")]
PAIRS += [("rpg", "adaptive"), ("rpg", "rank-items"), ("esasrec", "rank-items")]


@pytest.mark.parametrize(("name", "decoder"), PAIRS)
def test_cpu_and_gpu_agree(fits, data, name: str, decoder: str) -> None:
    """In float32; scores that are nearly equal may change places."""
    (cpu_codes, cpu_scores), (gpu_codes, gpu_scores) = (
        decode(BACKBONES[name], fits(name), data, decoder, device) for device in ("cpu", "cuda")
    )
    finite = torch.isfinite(cpu_scores)
    assert torch.equal(finite, torch.isfinite(gpu_scores))
    equal = (cpu_codes == gpu_codes).all(dim=2)
    assert equal.float().mean() > 0.95
    torch.testing.assert_close(gpu_scores[equal & finite], cpu_scores[equal & finite], rtol=1e-3, atol=1e-3)


def train(backbone, data, folder: Path, **options):
    """The validation losses of a training on the GPU."""
    return dataclasses.replace(backbone, **options).fit(make_task(data, "cuda"), folder).valid_loss


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("name", BACKBONES)
def test_captured_graphs_train_as_eager_steps_do(data, tmp_path: Path, monkeypatch, name: str, bf16: bool) -> None:
    """Where nothing is random; in float32 the Trainer's losses agree too."""
    monkeypatch.setattr(trainer, "use_bf16", lambda device, on_cpu: bf16)
    loops, run_loop = [], loop.TrainingLoop.run
    monkeypatch.setattr(loop.TrainingLoop, "run", lambda self, start: (loops.append(self), run_loop(self, start)))
    captured = train(BACKBONES[name], data, tmp_path / "captured", dropout=0.0)
    assert loops[-1].train_step.enabled, "the step was captured"
    assert sum(graph is not None for graph in loops[-1].train_step.graphs.values()) >= 1
    monkeypatch.setattr(Captured, "__post_init__", lambda self: setattr(self, "enabled", False))
    eager = train(BACKBONES[name], data, tmp_path / "eager", dropout=0.0)
    assert not loops[-1].train_step.graphs
    np.testing.assert_allclose(captured, eager, rtol=5e-3 if bf16 else 5e-4)
    if bf16:
        return
    task, backbone = make_task(data, "cuda"), dataclasses.replace(BACKBONES[name], dropout=0.0)
    collators = {"train": backbone.collator(task, 0), "valid": backbone.collator(task, 1)}
    config, network = backbone.training_config("tiny"), backbone.new_network(task)
    examples = backbone.examples(task) if hasattr(backbone, "examples") else None
    theirs = trainer.fit(network, config, task, tmp_path / "trainer", **collators, examples=examples).valid_loss
    np.testing.assert_allclose(captured, theirs, rtol=5e-4)


def test_an_idle_gpu_is_noticed_and_the_training_is_the_same(data, tmp_path: Path, monkeypatch, notices) -> None:
    """24 examples at `tiny` leave every GPU idle."""
    backbone = dataclasses.replace(BACKBONES["llada"], batch=24, epochs=12)
    losses = train(backbone, data, tmp_path / "asked")
    assert sum("mostly idle: 48 examples a step" in notice for notice in notices) == 1
    monkeypatch.setattr(loop, "IDLE_STEP", -1)
    np.testing.assert_allclose(train(backbone, data, tmp_path / "plain"), losses, rtol=5e-4)


def test_dropout_differs_from_replay_to_replay() -> None:
    ones = {"x": torch.ones(1000)}
    step = Captured(lambda batch: torch.nn.functional.dropout(batch["x"], 0.5), CUDA)
    with own_stream(CUDA):
        outputs = [step(ones).clone() for _ in range(5)]
    assert next(iter(step.graphs.values())) is not None
    assert len({tuple(output.tolist()) for output in outputs}) == 5
    assert all(0.3 < float((output == 0).float().mean()) < 0.7 for output in outputs)


def test_a_function_that_cannot_be_captured_is_called_as_it_is(notices) -> None:
    step = Captured(lambda batch: torch.nn.functional.dropout(batch["x"] * float(batch["x"].sum()), 0.5), CUDA)
    with own_stream(CUDA):
        outputs = [step({"x": torch.full((100,), float(number))}).clone() for number in range(1, 5)]
        random = torch.rand(3, device=CUDA)
    assert not step.enabled
    assert [float(output.max()) for output in outputs] == [200.0 * number**2 for number in range(1, 5)]
    assert ((random >= 0) & (random < 1)).all()
    assert any("can't capture the training step" in notice for notice in notices)


def test_a_stopped_training_continues(data, tmp_path: Path, monkeypatch) -> None:
    """To nearly the same losses: the dropout of eager and of captured steps may differ."""
    backbone, whole = BACKBONES["llada"], train(BACKBONES["llada"], data, tmp_path / "whole", dropout=0.0)
    on_step_end = progress.TrainingProgress.on_step_end

    def stop(self, args, state, control, **kwargs):
        on_step_end(self, args, state, control, **kwargs)
        if state.global_step == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(progress, "SAVE_SECONDS", 0.0)  # a checkpoint after each step
        patch.setattr(progress.TrainingProgress, "on_step_end", stop)
        with pytest.raises(KeyboardInterrupt):
            train(backbone, data, tmp_path / "stopped", dropout=0.0)
    kept = sorted(path.name for path in (tmp_path / "stopped" / "checkpoints").iterdir())
    assert kept == ["checkpoint-3", "checkpoint-4"]
    np.testing.assert_allclose(train(backbone, data, tmp_path / "stopped", dropout=0.0), whole, rtol=5e-3)


def run(tmp_path: Path, **options):
    config = ExperimentConfig("llada:epochs=1,batch=64", "dbs-penalty", data="arts-sim:users=600,items=80", size="tiny")
    return run_experiment(config, ExecutionOptions(tmp_path, device="cuda", **options)).run


def test_a_batch_size_is_found_and_stored(tmp_path: Path, notices) -> None:
    timings = run(tmp_path).summary.timings
    assert timings.batch_size >= 128
    assert any(f"decoding {timings.batch_size} users at a time" in notice for notice in notices)


def test_a_batch_is_halved_when_memory_really_runs_out(tmp_path: Path) -> None:
    """In a process of its own, whose memory nothing else has taken before."""
    free = run(tmp_path / "free", batch_size=512)
    share = free.summary.timings.peak_bytes / 4 / torch.cuda.get_device_properties(0).total_memory
    limited = f"import torch; torch.cuda.set_per_process_memory_fraction({share}); "
    code = limited + "from mindrec_bench.__main__ import main; main()"
    options = f"{free.summary.command.removeprefix('mrbench ')} --device cuda --batch-size 512"
    done = subprocess.run([sys.executable, "-c", code, *options.split(), "--runs-dir", str(tmp_path / "short")])
    assert done.returncode == 0
    short = find_run(tmp_path / "short", free.id).summary
    assert short.timings.smallest_batch_size < 512 == short.timings.batch_size
    assert short.metrics == pytest.approx(free.summary.metrics, abs=2e-2)


@pytest.mark.parametrize("family", ["llada", "llama", "qwen2"])
@pytest.mark.parametrize("in_8bit", [False, True], ids=["bf16", "8-bit"])
def test_a_checkpoint_is_fine_tuned_and_read_back(data, tmp_path: Path, family: str, in_8bit: bool) -> None:
    if in_8bit and find_spec("bitsandbytes") is None:
        pytest.skip("needs bitsandbytes")
    write_checkpoint(tmp_path, family)
    backbone = {"llada": Llada, "llama": Llama3, "qwen2": Qwen25}[family](
        checkpoint=str(tmp_path), template=write_short_templates(tmp_path), epochs=2, lr=5e-3, batch=24,
        load_in_8bit=in_8bit,
    )  # fmt: skip
    task = dataclasses.replace(make_task(data, "cuda"), size="checkpoint")
    report = backbone.fit(task, tmp_path / "fit")
    assert report.valid_loss[-1] < report.valid_loss[0]
    assert report.precision == "bf16"
    context = backbone.load(task, tmp_path / "fit").begin(data.test().histories[:6], tuple(range(task.space.n_slots)))
    if family == "llada":
        log_probs = context.log_probs(torch.full((6, 2, task.space.n_slots), -1, device=CUDA), (0, 1))
    else:
        log_probs = context.next_log_probs(torch.zeros(6, 2, 2, dtype=torch.long, device=CUDA))
    assert torch.isfinite(log_probs[..., 0]).all()
