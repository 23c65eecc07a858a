"""The README and the pages under docs/: their code runs, and their links, commands and numbers are right."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from mindrec_bench.cli import main
from mindrec_bench.data.slices import slice_users
from mindrec_bench.data.sources import Arts, Instruments
from mindrec_bench.errors import DataError
from mindrec_bench.report.table_spec import SETTINGS, RowSpec, TableSpec
from mindrec_bench.store.runs import find_run, find_runs
from mindrec_bench.testing import check_backbone, check_decoder

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
OTHER_PAGES = ("README.md", "CONTRIBUTING.md", "results/README.md", "examples/llada-sampler/README.md")
LINKING = [*PAGES, *(ROOT / name for name in OTHER_PAGES)]
FOLDERS = ("mindrec_bench", "decoders", "baselines", "tables", "tests", "benchmarks", "examples", "docs")
SOURCES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".toml", ".j2", ".sh")
)
"""Files of code, whose comments and docstrings refer to the manual."""


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def load(name: str, code: str, monkeypatch) -> ModuleType:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, name, "exec"), module.__dict__)
    return module


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def check_link(page: Path, link: str) -> None:
    """A link of a page leads to a file, and to a heading of it."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    assert target.exists(), (page.name, link)
    assert not anchor or anchor in anchors(target), (page.name, link)


def test_the_index_links_every_page():
    linked = re.findall(r"\]\(([\w-]+\.md)\)", text("index.md"))
    assert sorted([*linked, "index.md"]) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")) if "://" not in link]
    for link in links:
        check_link(page, link)


def test_references_of_the_code_lead_to_pages_and_headings():
    """They name a page of docs/, with an anchor, or with a comma and a heading."""
    checked = 0
    for source in SOURCES:
        lines = source.read_text(encoding="utf-8").splitlines()
        content = " ".join(line.strip().lstrip("#").strip() for line in lines)
        for name, anchor, heading in re.findall(r"docs/([\w-]+\.\w+)(#[\w-]+)?(?:, ([A-Z][^.;)]*))?", content):
            page = DOCS / name
            assert page.is_file(), (source, name)
            assert not anchor or anchor[1:] in anchors(page), (source, name, anchor)
            if heading:
                assert any(heading.startswith(known) for known in headings(page)), (source, name, heading)
            checked += 1
    assert checked > 40


def test_sections_of_papers_name_their_paper():
    """A comment that refers to a section or an equation says of which paper, and semantics.md says where that is."""
    sources = text("semantics.md").partition("## Sources")[2]
    words = ("paper", "MindRec", "TIGER", "LETTER", "et al.")
    assert all(word in sources for word in words[:-1])
    checked = 0
    for source in SOURCES:
        if source.suffix != ".py" or source == Path(__file__):
            continue
        content = " ".join(source.read_text(encoding="utf-8").split())
        for match in re.finditer(r"\b(section|eq\.) \d", content):
            assert any(word in content[max(0, match.start() - 60) : match.end()] for word in words), (source, match)
            checked += 1
    assert checked > 5


def test_the_keys_of_a_table_file_are_those_of_the_code():
    head, rows = (
        set(re.findall(r"`(\w+)", "".join(re.findall(r"^\| (`.*?) \|", part, re.MULTILINE))))
        for part in text("tables.md").partition("And of each `[[rows]]`")[::2]
    )
    assert head == {f.name for f in fields(TableSpec)} - {"name", "rows", "settings"}
    assert rows == {f.name for f in fields(RowSpec)} - {"settings"}
    settings = text("tables.md").partition("The settings of `mrbench run`")[2].partition("And of each")[0]
    assert set(SETTINGS) <= set(re.findall(r"`(\w+)`", settings))


@pytest.mark.parametrize(("page", "examples"), [("extending-decoders.md", 1), ("extending-backbones.md", 2)])
def test_the_code_of_a_page_runs_and_conforms(page, examples, monkeypatch):
    """The last block is the conformance check itself."""
    blocks = re.findall(r"```python\n(.*?)```", text(page), re.DOTALL)
    assert len(blocks) == examples + 1
    checked = []
    for name, check in (("check_decoder", check_decoder), ("check_backbone", check_backbone)):
        monkeypatch.setattr(f"mindrec_bench.testing.{name}", lambda one, check=check: checked.append(one) or check(one))
    load("shown_in_docs", "".join(blocks), monkeypatch)
    assert len(checked) == examples


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


check_examples = load_script("check_examples")


def test_the_modules_of_the_reference_exist():
    """The reference itself is built by `python docs/build_reference.py`."""
    names = [name for name in load_script("build_reference").MODULES if not name.startswith("!")]
    assert len(names) > 20
    for name in names:
        assert importlib.util.find_spec(name) is not None, name


def parse(words: list[str]) -> None:
    """Parse the words of a command, and do not run it."""
    context, command = None, main.cli
    while isinstance(command, click.Group):
        context = command.make_context(command.name, words, parent=context)
        if command.invoke_without_command and not context._protected_args:
            return
        _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
    command.make_context(command.name, words, parent=context)


EXAMPLES = [example for example in check_examples.examples() if example.command.startswith("mrbench ")]


@pytest.fixture(scope="module")
def example_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    check_examples.prepare(folder, None)
    return folder


def test_every_command_of_the_pages_is_one(example_folder, monkeypatch):
    """Commands, options and their values are those of the command line; docs/check_examples.py runs them."""
    monkeypatch.chdir(example_folder)
    assert len(EXAMPLES) > 60
    for example in EXAMPLES:
        try:
            parse(shlex.split(example.command.replace("SEED", "42"))[1:])
        except click.ClickException as error:
            pytest.fail(f"{example.page}: {example.command}: {error.format_message()}")


def test_tables_and_figures_that_pages_name_exist():
    named = {
        name
        for page in LINKING
        for names in re.findall(r"`mrbench (?:table|figure) ([a-z0-9 -]+)`", " ".join(page.read_text("utf-8").split()))
        for name in re.sub(r"--.*", "", names).split()
    }
    assert len(named) > 4
    assert named <= {path.stem for path in (ROOT / "tables").glob("*.toml")}


def test_the_example_of_the_readme_prints_what_it_shows(example_folder, monkeypatch):
    monkeypatch.chdir(example_folder)
    quick = [example.command for example in EXAMPLES if example.page == "README.md"][:3]
    assert quick[2].startswith("mrbench compare")
    results = [CliRunner().invoke(main.cli, shlex.split(command)[1:]) for command in quick]
    assert [result.exit_code for result in results] == [0, 0, 0]
    (shown,) = check_examples.shown_output(ROOT / "README.md")
    assert results[1].stdout.startswith(shown)
    row = next(line for line in results[2].stdout.splitlines() if line.startswith("HR@10"))
    for value in row.split()[1:3]:
        assert value in README


def test_the_readme_is_short_and_its_two_commands_stay():
    assert len(README.split()) < 1300
    install = "\n```\npython3.11 -m venv .venv && . .venv/bin/activate && pip install -c constraints.txt"
    assert f"{install} . && mrbench run --model llada --decoder dbs-penalty\n```\n" in README
    assert f"{install} -e '.[test]' && pytest -n auto\n```\n" in README


def test_the_results_of_the_readme_are_those_of_its_runs():
    rows = re.findall(r"^\| `[^|]*\|(.*)\| `(\w{12})` \|$", README, re.MULTILINE)
    assert len(rows) == 6
    for cells, name in rows:
        run = find_run(ROOT / "results" / "runs", name)
        assert (run.summary.data, run.spec.eval_users, run.spec.exclude_history) == ("instruments", 10_000, True)
        values = [cell.strip().rstrip("*") for cell in cells.split("|")]
        assert values == [f"{run.summary.metrics[name]:.4f}"[1:] for name in ("hr@1", "hr@5", "hr@10", "ndcg@10")]
        if run.summary.fit is not None:
            assert (f"{run.summary.fit.parameters / 1e6:.1f}M", round(run.summary.fit.epochs)) == ("0.9M", 20)
            assert run.summary.fit.under_trained


@pytest.mark.parametrize("name", ["table2", "arts"])
def test_the_tables_of_the_results_page_are_those_of_results(name):
    def rows(page: str) -> set[tuple[str, ...]]:
        lines = re.findall(r"^\|(.*)\|$", page, re.MULTILINE)
        return {tuple(cell.strip() for cell in line.split("|")) for line in lines if "---" not in line}

    stored = rows((ROOT / "results" / "tables" / f"{name}.md").read_text(encoding="utf-8"))
    assert len(stored) > 10
    assert stored <= rows(text("results.md"))


def section(page: str, heading: str) -> str:
    """A section of a page under docs/, without its subsections."""
    return re.split(r"^#+ ", text(page).split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.split("|")] for row in re.findall(r"^\|(.*)\|$", table, re.MULTILINE)]


def test_the_table_of_all_users_has_values_of_stored_runs():
    stored: dict[tuple[str, str], set[str]] = {}
    for run in find_runs(ROOT / "results" / "runs"):
        if (run.spec.split, run.spec.exclude_history, run.spec.eval_users) == ("test", True, None):
            values = " / ".join(f"{run.summary.metrics[name]:.4f}"[1:] for name in ("hr@10", "ndcg@10"))
            stored.setdefault((run.spec.data.name.lower(), run.spec.model.name), set()).add(values)
    (_, *datasets), _, *rows = cells(section("results.md", "All users"))
    assert len(rows) > 6
    for label, *row in rows:
        model = re.match(r"`([\w.-]+)`", label)[1]
        for data, value in zip(datasets, row, strict=True):
            assert value == "" or value in stored[data.lower(), model], (label, data)


def test_the_parts_of_mixtures_have_the_values_of_their_runs():
    stored = {
        (run.spec.data.name.lower(), run.spec.model.name): [
            f"{run.summary.metrics[name]:.4f}"[1:] for name in ("hr@10", "ndcg@10")
        ]
        for run in find_runs(ROOT / "results" / "runs")
        if (run.spec.beam, run.spec.eval_users, run.spec.exclude_history) == (50, 5000, True)
    }
    _, _, *rows = cells(section("results.md", "A mixture with counting"))
    assert len(rows) > 2
    for data, a, b, _, *values in rows:
        models = [re.match(r"`([\w.-]+)`", label)[1] for label in (a, b)]
        shown = [[values[number].rstrip("*"), values[number + 3].rstrip("*")] for number in (0, 1)]
        assert shown == [stored[data.lower(), model] for model in models]


def test_the_table_of_slices_has_the_values_of_its_runs(real_data):
    """Counted again here, from the users' hits and the data."""
    page = section("results.md", "Where counting is ahead")
    runs = [
        find_run(ROOT / "results" / "runs", name)
        for name in re.search(r"mrbench compare ([\w ]+) --by", page)[1].split()
    ]
    data = Instruments().load(real_data, users=None)
    counted = set()
    for by in ("transition", "popularity", "history"):
        columns = [run.per_user() for run in runs]
        for _, mask in slice_users(data, by).members(columns[0]["user"]):
            rates = [f"{column['hr@10'][mask].mean():.4f}"[1:] for column in columns]
            counted.add((f"{mask.sum():,}", *rates))
    shown = {tuple(cell.rstrip("*") for cell in row[1:]) for row in cells(page)[2:]}
    assert len(shown) == 7
    assert shown <= counted


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    """On the simulation instead of Arts."""
    monkeypatch.chdir(tmp_path)
    (code,) = [code for language, code in check_examples.blocks(README) if language == "python"]
    code = code.replace('"arts"', '"arts-sim:users=500"')
    shown = load("shown_in_page", code, monkeypatch)
    assert shown.run.metrics["hr@10"] > 0.5
    assert (tmp_path / "runs" / "arts-sim" / "markov").is_dir()


def test_the_data_source_of_a_page_loads(monkeypatch):
    asked = []
    monkeypatch.setattr(Arts, "load", lambda _, data_dir, *, users: asked.append(users))
    (code,) = re.findall(r"```python\n(.*?)```", text("extending.md"), re.DOTALL)
    source = load("shown_in_page", code, monkeypatch).FewArts()
    for users in (None, 5, 5000):
        source.load(None, users=users)
    assert asked == [1000, 5, 1000]


def test_a_wrong_file_is_refused_as_the_page_shows(tmp_path, monkeypatch):
    """Your own data, Errors."""
    rows = [["user", "item", "timestamp"], *([f"u{row}", f"i{row}", "1"] for row in range(2, 20))]
    for row in (5, 9):
        rows[row - 1].append("more")
    rows[14 - 1][0] = ""
    (tmp_path / "reviews.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    command = "data import reviews.csv --name shop --data-dir data"
    with pytest.raises(DataError) as raised:
        CliRunner().invoke(main.cli, command.split(), standalone_mode=False, catch_exceptions=False)
    assert f"mrbench: {raised.value}" in " ".join(text("own-data.md").split())


def test_the_pages_name_every_command_line_flag_and_module_right():
    commands = [
        inner
        for command in main.cli.commands.values()
        for inner in (command, *getattr(command, "commands", {}).values())
    ]
    flags = {option for command in commands for param in command.params for option in param.opts}
    for page in PAGES:
        for flag in re.findall(r"`(--[a-z-]+)", page.read_text(encoding="utf-8")):
            assert flag in flags | {"--debug"}, (page.name, flag)
        for module in re.findall(r"`(mindrec_bench/[\w/]+\.py)`", page.read_text(encoding="utf-8")):
            assert (DOCS.parent / module).is_file(), (page.name, module)


def test_the_tables_of_capabilities_name_what_is_registered():
    from mindrec_bench.plugins import registry

    row = r"^\| `(items|denoiser|causal)` \| log p.*\| (.*) \| (.*) \|$"
    rows = re.findall(row, text("models.md"), re.MULTILINE)
    assert len(rows) == 3
    for capability, models, decoders in rows:
        for kind, names in (("model", models), ("decoder", decoders)):
            listed = [row.name for row in registry.list_entries(kind) if capability in row.capability.split(", ")]
            assert sorted(re.findall("`([^`]+)`", names)) == listed
