"""The pages under docs/: their code runs, their links lead somewhere, and the reference is that of the code."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from mindrec_bench.cli import main
from mindrec_bench.report.table_spec import SETTINGS, RowSpec, TableSpec
from mindrec_bench.testing import check_backbone, check_decoder

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def load(name: str, code: str, monkeypatch) -> ModuleType:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, name, "exec"), module.__dict__)
    return module


def test_the_index_links_every_page():
    linked = re.findall(r"\]\(([\w-]+\.md)\)", text("index.md"))
    assert sorted([*linked, "index.md"]) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    content = page.read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in content.splitlines()}
    links = [link for link in re.findall(r"\]\(([^)]+)\)", content) if not link.startswith("https://")]
    for link in links:
        path, _, anchor = link.partition("#")
        assert (page.parent / path).exists() if path else anchor in anchors, link


def test_the_keys_of_a_table_file_are_those_of_the_code():
    head, rows = (
        set(re.findall(r"`(\w+)", "".join(re.findall(r"^\| (`.*?) \|", part, re.MULTILINE))))
        for part in text("tables.md").partition("And of each `[[rows]]`")[::2]
    )
    assert head == {f.name for f in fields(TableSpec)} - {"name", "rows", "settings"}
    assert rows == {f.name for f in fields(RowSpec)} - {"settings"}
    settings = text("tables.md").partition("The settings of `mrbench run`")[2].partition("And of each")[0]
    assert set(SETTINGS) <= set(re.findall(r"`(\w+)`", settings))


@pytest.mark.parametrize("page", ["decoders.md", "backbones.md"])
def test_the_code_of_a_page_runs_and_conforms(page, monkeypatch):
    """The second block is the conformance check itself."""
    blocks = re.findall(r"```python\n(.*?)```", text(page), re.DOTALL)
    assert len(blocks) == 2
    checked = []
    for name, check in (("check_decoder", check_decoder), ("check_backbone", check_backbone)):
        monkeypatch.setattr(f"mindrec_bench.testing.{name}", lambda one, check=check: checked.append(one) or check(one))
    load("shown_in_docs", "".join(blocks), monkeypatch)
    assert len(checked) == 1


def test_the_reference_is_up_to_date():
    spec = importlib.util.spec_from_file_location("build_api", DOCS / "build_api.py")
    build_api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_api)
    assert build_api.page() == text("api.md"), "run `python docs/build_api.py`"
    assert build_api.page().count("### ") > 50


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
    rows = re.findall(row, text("how-it-fits.md"), re.MULTILINE)
    assert len(rows) == 3
    for capability, models, decoders in rows:
        for kind, names in (("model", models), ("decoder", decoders)):
            listed = [row.name for row in registry.list_entries(kind) if row.capability == capability]
            assert sorted(re.findall("`([^`]+)`", names)) == listed
