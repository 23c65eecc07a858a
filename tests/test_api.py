"""The Python API, in a script and in a notebook."""

from __future__ import annotations

import inspect
import linecache
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest

import mindrec_bench as mb
from mindrec_bench.core.backbone import Backbone
from mindrec_bench.core.protocols import Ranking
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.testing import catalogue_model
from mindrec_decoders.adaptive import Adaptive
from mindrec_decoders.bs import BeamSearch
from mindrec_decoders.rank_items import RankItems
from mindrec_decoders.search.results import make_ranking

DATA = "arts-sim:users=60,items=50"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Calls run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def notebook(monkeypatch):
    """notebook(text): run a cell in a module without a file; its source is known as in a notebook."""
    module = ModuleType("a_notebook")
    monkeypatch.setitem(sys.modules, "a_notebook", module)
    cells = []

    def run_cell(text):
        name = f"<cell {len(cells)}>"
        cells.append(name)
        monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
        exec(compile(text, name, "exec"), module.__dict__)
        return module

    return run_cell


def test_importing_the_package_is_quick_and_names_are_imported_when_used():
    code = """
import sys
import mindrec_bench as mb
print(sorted(name for name in sys.modules if name.startswith("mindrec_bench")))
assert set(mb.__all__) <= set(dir(mb))
for name in mb.__all__:
    getattr(mb, name)
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "['mindrec_bench']\nFalse\n"


def test_an_unknown_name_of_the_package():
    with pytest.raises(AttributeError, match=r"module 'mindrec_bench' has no attribute 'rum'"):
        mb.rum  # noqa: B018
    assert all(inspect.getdoc(getattr(mb, name)) for name in mb.__all__)


def test_python_m_is_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "mindrec_bench", "--version"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, f"mrbench, version {mb.__version__}\n")


def test_a_run_and_what_it_holds(capfd):
    run = mb.run(model="markov", decoder="adaptive", data=DATA)
    assert capfd.readouterr() == ("", ""), "quiet by default"
    assert run.path.is_relative_to("runs")
    assert {type(value) for value in run.metrics.values()} <= {int, float}
    assert run.metrics["ndcg@10"] == run.summary.metrics["ndcg@10"]
    assert run.metrics["lost@10"] == run.summary.search_error["lost@10"]
    columns = run.per_user()
    assert {column.shape for column in columns.values()} == {(60,)}
    assert columns["hr@10"].mean() == pytest.approx(run.metrics["hr@10"])
    rankings = run.rankings()
    assert rankings.column_names == ["user", "rank", "codes", "score", "item"]
    assert run.rankings(["user"]).column_names == ["user"]
    assert repr(run) == (
        f"<Run {run.id}: markov x adaptive on {DATA}, hr@10 {run.metrics['hr@10']:.4f}, "
        f"ndcg@10 {run.metrics['ndcg@10']:.4f}>"
    )


def test_pandas_takes_users_and_rankings():
    pandas = pytest.importorskip("pandas")
    run = mb.run("markov", "bs", data=DATA)
    users = pandas.DataFrame(run.per_user())
    assert (len(users), users["user"].is_unique) == (60, True)
    assert run.rankings().to_pandas()["rank"].max() == 10


def test_stored_runs_are_found_and_compared(folder):
    first, second = (mb.run("markov", name, data=DATA, runs_dir="store") for name in ("bs", "adaptive"))
    assert {run.id for run in mb.runs(runs_dir="store")} == {first.id, second.id}
    assert mb.runs() == []
    assert mb.load_run(first.id[:6], runs_dir="store").metrics == first.metrics
    assert mb.load_run(folder / first.path).id == first.id
    with pytest.raises(UsageError, match="no run 'nope' under runs; it holds no runs"):
        mb.load_run("nope")
    comparison = mb.compare(first, second, resamples=100)
    assert str(comparison) == repr(comparison)
    assert str(comparison).startswith(f"reference  {first.id}  markov x bs")
    assert comparison.as_dict()["reference"] == first.id
    difference = comparison.comparisons[0]["hr@10"].difference
    assert difference == pytest.approx(second.metrics["hr@10"] - first.metrics["hr@10"])
    with pytest.raises(UsageError, match="unknown test 'ttest'"):
        mb.compare(first, second, test="ttest")
    with pytest.raises(UsageError, match=r"'abc' is not a run; read it with mindrec_bench.load_run"):
        mb.compare(first, "abc")


def test_items_are_recommended_to_anybody(folder: Path) -> None:
    run = mb.run("markov", "rank-items", data=DATA, runs_dir="store")
    result = run.recommend(history=["3", "5"], k=4)
    assert [item.rank for item in result.items] == [1, 2, 3, 4]
    assert result.history == ("3", "5")
    with pytest.raises(UsageError, match=r"unknown key 'beam' in Run.recommend"):
        run.recommend(history=["3"], beam=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beem": 3}, r"unknown key 'beem' in mindrec_bench.run \(did you mean 'beam'\?\); allowed: model, "),
        ({"run_dir": "x"}, r"unknown key 'run_dir' .*did you mean 'runs_dir'"),
        ({"beam": 0}, "beam is 0; it must be at least 1"),
        ({"beam": "3"}, "beam is '3'; it must be a whole number"),
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"data": "no/where"}, "no/where"),
        ({"decoder": "adaptiv"}, r"unknown decoder 'adaptiv' \(did you mean 'adaptive'\?\)"),
        ({"decoder": BeamSearch}, r"the decoder is the class BeamSearch; give an instance of it, BeamSearch\(\)"),
        ({"decoder": 7}, "the decoder int does not fit the contract"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused_before_anything_runs(folder, settings, message):
    with pytest.raises((UsageError, DataError), match=message):
        mb.run(**{"model": "markov", "decoder": "bs", "data": DATA, **settings})
    assert list(folder.iterdir()) == []


def test_the_signature_is_that_of_the_fields():
    parameters = inspect.signature(mb.run).parameters
    configured = [field for cls in (mb.ExperimentConfig, mb.ExecutionOptions) for field in fields(cls)]
    assert set(parameters) == {field.name for field in configured}
    assert parameters["beam"].default == 10
    assert {"decoder", "beam", "split"} & set(inspect.signature(mb.fit).parameters) == set()
    with pytest.raises(UsageError, match=r"unknown key 'beam' in mindrec_bench\.fit"):
        mb.fit("llada", beam=3)
    with pytest.raises(UsageError, match="model 'markov' has nothing to train"):
        mb.fit("markov")


def test_messages_are_shown_where_the_call_is_not_quiet(capfd):
    mb.run("markov", "bs", data=DATA, users=50, quiet=False)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "the first 50 of 60 simulated users" in shown.err
    assert "decoding" in shown.err
    mb.run("markov", "bs", data=DATA, users=40)
    assert capfd.readouterr() == ("", "")


def test_an_object_of_a_registered_class_is_the_same_run_as_its_text():
    text = mb.run("markov:decay=0.5", "adaptive:rescore=2", data=DATA)
    from mindrec_baselines.markov import Markov

    run = mb.run(Markov(decay=0.5), Adaptive(rescore=2), data=DATA)
    assert run.id == text.id
    assert run.summary.command == text.summary.command
    assert run.summary.command.startswith("mrbench run --model markov:decay=0.5 --decoder adaptive:rescore=2")


@dataclass(frozen=True)
class Narrow:
    """`bs` with a narrower beam, padded."""

    needs: ClassVar[str] = "denoiser"
    width: int = 4
    note: str = ""

    def decode(self, context, canvas, *, beam):
        found = BeamSearch().decode(context, canvas, beam=min(beam, self.width))
        return make_ranking(found.codes, found.scores, beam)


@dataclass(frozen=True)
class Same(Backbone):
    """The first item is best, for everyone."""

    capability: ClassVar[str] = "items"
    first: int = 0

    def fit(self, task, folder):
        raise NotImplementedError

    def load(self, task, folder):
        scores = np.roll(np.arange(task.data.n_items, 0, -1.0), self.first)
        return catalogue_model(np.tile(scores, (task.data.n_users, 1)))


def test_a_class_that_no_package_registers_is_named_by_its_class_and_options():
    run = mb.run("markov", Narrow(width=3), data=DATA)
    assert run.summary.decoder == "Narrow:width=3"
    assert (run.spec.decoder.name, run.spec.decoder.options) == ("Narrow", {"width": 3})
    assert len(run.spec.decoder.code) == 12
    assert run.summary.command == (
        f"mindrec_bench.run(model='markov', decoder=Narrow(width=3), data='{DATA}', categories='generate')"
        "  # in Python only: no command line knows this class"
    )
    assert mb.run("markov", Narrow(width=3), data=DATA).path == run.path
    assert mb.run("markov", Narrow(width=2), data=DATA).id != run.id
    assert mb.load_run(run.id).spec == run.spec
    with pytest.raises(UsageError, match="unknown decoder 'Narrow'"):
        mb.run("markov", "Narrow", data=DATA)


def test_a_backbone_of_a_class_of_ones_own():
    run = mb.run(Same(first=2), RankItems(), data=DATA, categories="none")
    assert (run.summary.model, run.summary.decoder) == ("Same:first=2", "rank-items")
    assert run.rankings(["user", "rank"]).num_rows == 600
    assert "model=Same(first=2), decoder='rank-items'" in run.summary.command


def test_options_that_are_no_text_are_refused():
    with pytest.raises(UsageError, match="the decoder Narrow:note=a,width=2 can't be written as text"):
        mb.run("markov", Narrow(note="a,width=2"), data=DATA)


def test_a_class_with_the_name_of_a_registered_one_is_refused(notebook):
    cell = notebook("from dataclasses import dataclass\n@dataclass(frozen=True)\nclass bs:\n    needs = 'items'\n"
                    "    def decode(self, context, canvas, *, beam): pass\n")  # fmt: skip
    with pytest.raises(UsageError, match="the class bs has the name of a registered decoder; rename it"):
        mb.run("markov", cell.bs(), data=DATA)


CELL = """
from dataclasses import dataclass
from mindrec_bench.core.protocols import Ranking
from mindrec_decoders.rank_items import RankItems

@dataclass(frozen=True)
class Kept:
    needs = "items"
    def decode(self, context, canvas, *, beam):
        return keep(RankItems().decode(context, canvas, beam=beam))
"""
HELPER = "def keep(ranking):\n    return ranking\n"


def test_an_edit_in_a_notebook_is_a_new_run(notebook):
    ids = []
    for cells in ((HELPER, CELL), (HELPER, CELL), (HELPER + "    # edited\n", CELL), (HELPER, CELL + "# edited\n")):
        for cell in cells:
            notebook(cell)
        kept = notebook("print('another cell')").Kept()
        ids.append(mb.run("markov", kept, data=DATA).id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_class_without_source_is_refused(monkeypatch):
    module = ModuleType("a_prompt")
    monkeypatch.setitem(sys.modules, "a_prompt", module)
    exec(CELL, module.__dict__)
    with pytest.raises(UsageError, match=r"the source code of Kept can't be read.*define it in a file or a notebook"):
        mb.run("markov", module.Kept(), data=DATA)


@dataclass(frozen=True)
class Stopped:
    """`bs`, during which Ctrl-C is pressed once, in the third batch."""

    needs: ClassVar[str] = "denoiser"
    batches: ClassVar[list[int]] = []

    def decode(self, context, canvas, *, beam) -> Ranking:
        self.batches.append(len(canvas.users))
        if len(self.batches) == 3:
            raise KeyboardInterrupt
        return BeamSearch().decode(context, canvas, beam=beam)


def test_an_interrupted_call_continues(monkeypatch):
    monkeypatch.setattr(Stopped, "batches", [])
    settings = {"data": DATA, "shard_users": 20, "batch_size": 20}
    with pytest.raises(KeyboardInterrupt):
        mb.run("markov", Stopped(), **settings)
    assert mb.runs() == []
    run = mb.run("markov", Stopped(), **settings)
    assert Stopped.batches == [20, 20, 20, 20], "two shards were stored; the third was decoded again"
    assert len(run.per_user()["user"]) == 60


SCRIPT = """
from dataclasses import dataclass
import mindrec_bench as mb
from mindrec_decoders.rank_items import RankItems

@dataclass(frozen=True)
class Mine:
    needs = "items"
    def decode(self, context, canvas, *, beam):
        return RankItems().decode(context, canvas, beam=beam)

if __name__ == "__main__":
    settings = {"data": "arts-sim:users=60,items=50", "device": "cpu", "shard_users": 20}
    print(mb.run("markov", Mine(), **settings, devices=2).summary.timings.processes)
"""


@pytest.mark.usefixtures("quick_processes")
def test_several_processes_import_the_class_of_a_module(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "a_module.py").write_text(SCRIPT)
    import a_module

    run = mb.run("markov", a_module.Mine(), data=DATA, device="cpu", shard_users=20, devices=2)
    assert run.summary.timings.processes == 2


@pytest.mark.slow
def test_several_processes_import_the_class_of_a_script(folder):
    (folder / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=250)
    assert done.stdout == "2\n", done.stderr


def test_several_processes_cannot_import_a_class_of_a_function():
    @dataclass(frozen=True)
    class Local(Narrow):
        pass

    with pytest.raises(UsageError, match=r"several processes can't share .*Local, which they can't import"):
        mb.run("markov", Local(), data=DATA, devices=2)


def test_the_page_about_python_runs_as_a_notebook(notebook, capsys):
    pytest.importorskip("pandas")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 8
    for block in blocks:
        page = notebook(block)
    printed = capsys.readouterr().out
    assert "unknown key 'beem' in mindrec_bench.run (did you mean 'beam'?); allowed: model, " in printed
    assert "decoder=WideBeam(width=20)" in printed
    assert page.wide.summary.decoder == "WideBeam:width=20"
    assert "HR@10" in printed
