"""`idgenrec`: its sizes, the checkpoints it may start from, and data that it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import T5ForConditionalGeneration

from mindrec_baselines.idgenrec import IdGenRec
from mindrec_baselines.textual_ids.sizes import T5_SMALL
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.testing import make_canvas
from mindrec_decoders.ar_beam import ArBeam

from .textual_ids.small_models import SHORT, save_t5


def test_sizes() -> None:
    small, t5_small = (IdGenRec().with_size_defaults(size) for size in ("small", T5_SMALL))
    assert small.lr == t5_small.lr == 1e-3
    assert (IdGenRec().rounds, IdGenRec().generator_lr, IdGenRec().generator_epochs) == (3, 1e-8, 1)
    assert t5_small.epochs == small.epochs == 10
    assert t5_small.checkpoint == "t5-small"
    assert IdGenRec().auto_size(simulation=True, device="cpu")[0] == "tiny"
    assert IdGenRec().auto_size(simulation=False, device="cuda")[0] == "small"


@pytest.mark.parametrize(
    "option", ["rounds", "keywords", "reach", "keyword_epochs", "generator_epochs", "generator_lr"]
)
def test_options_out_of_range_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is 0"):
        IdGenRec(**{option: 0})


def test_both_parts_start_from_the_checkpoint(text_task: Task, t5_checkpoint: Path, tmp_path: Path) -> None:
    backbone = dataclasses.replace(SHORT, rounds=1, checkpoint=str(t5_checkpoint))
    task = dataclasses.replace(text_task, size=T5_SMALL)
    with_defaults = backbone.with_size_defaults(T5_SMALL)
    texts = task.data.require_texts("the test")
    network = with_defaults.new_network(with_defaults.make_tokenizer(texts, T5_SMALL, tmp_path), texts, task)
    published = T5ForConditionalGeneration.from_pretrained(t5_checkpoint)
    for part in (network.generator, network.recommender):
        assert torch.equal(part.embedding.weight, published.shared.weight)
        query = "encoder.block.0.layer.0.SelfAttention.q.weight"
        assert torch.equal(part.t5.state_dict()[query], published.state_dict()[query])
    backbone.fit(task, tmp_path)
    model = backbone.load(task, tmp_path)
    assert len(set(map(tuple, model.code_space.item_codes.tolist()))) == task.data.n_items
    histories = task.data.test().histories[:3]
    slots = tuple(range(model.code_space.n_slots))
    canvas = make_canvas(model.code_space, histories.users, catalogue=True)
    codes = ArBeam().decode(model.begin(histories, slots), canvas, beam=5).codes
    assert (model.code_space.find(codes.numpy()) >= 0).all()


def test_a_tagger_replaces_the_keyword_phase(t5_checkpoint: Path) -> None:
    phases = IdGenRec(tagger=str(t5_checkpoint)).with_size_defaults(T5_SMALL).phases(T5_SMALL)
    assert [phase.kind for phase in phases] == ["generator", "recommender"] * 3


def test_the_content_of_checkpoints_is_part_of_a_runs_identity(
    text_task: Task, t5_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model at the same path is another run; the sizes from scratch add nothing to the identity."""
    assert SHORT.file_fingerprints("tiny") == IdGenRec().file_fingerprints("small") == {}
    with pytest.raises(UsageError, match="are for --size t5-small"):
        IdGenRec(tagger=str(t5_checkpoint)).file_fingerprints("small")
    tagger = save_t5(tmp_path / "tagger", text_task, d_ff=16)
    backbone = IdGenRec(checkpoint=str(t5_checkpoint), tagger=str(tagger))
    first = backbone.file_fingerprints(T5_SMALL)
    assert set(first) == {"checkpoint", "tagger"}
    assert first["checkpoint"] != first["tagger"]
    assert set(IdGenRec(checkpoint=str(t5_checkpoint)).file_fingerprints(T5_SMALL)) == {"checkpoint"}
    save_t5(tagger, text_task, d_ff=24)
    second = backbone.file_fingerprints(T5_SMALL)
    assert second["checkpoint"] == first["checkpoint"]
    assert second["tagger"] != first["tagger"]
    monkeypatch.setattr("mindrec_bench.io.hub.Repository.commit", lambda repository: f"commit of {repository.name}")
    assert IdGenRec().file_fingerprints(T5_SMALL) == {"checkpoint": "google-t5/t5-small@commit of google-t5/t5-small"}


def test_sizes_from_scratch_refuse_checkpoints(text_task: Task, t5_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="are for --size t5-small"):
        dataclasses.replace(SHORT, checkpoint=str(t5_checkpoint)).fit(text_task, tmp_path / "fit")


def test_data_without_texts_is_refused(chain: Callable[..., Dataset], tmp_path: Path) -> None:
    data = chain(users=30)
    task = Task(data, data.space(categories=False), size="tiny", quiet=True)
    with pytest.raises(DataError, match=r"no item of chain has a title or a description; add them to chain.item.json"):
        SHORT.fit(task, tmp_path)


def test_public_data_without_titles_is_refused_before_anything_is_written(real_data: Path, tmp_path: Path) -> None:
    config = ExperimentConfig("idgenrec", "ar-beam", data="instruments", constrain="catalogue")
    with pytest.raises(DataError, match="model 'idgenrec' reads item texts, and no item of Instruments has"):
        run_experiment(config, ExecutionOptions(runs_dir=tmp_path / "runs", data_dir=real_data, device="cpu"))
    assert not (tmp_path / "runs").exists()


def test_one_process_trains_however_many_decode() -> None:
    """Its phases pass weights on in files, which several processes would read before they are written."""
    config = ExperimentConfig("idgenrec", "ar-beam", data="arts-sim:users=20,items=50", train_devices=2)
    resolved = resolve_config(config)
    spec = resolved.run_spec(resolved.source.load(None, users=None))
    assert spec.train_devices == 1
