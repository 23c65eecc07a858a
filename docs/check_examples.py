"""Run the examples of the README, the manual and CONTRIBUTING, and compare what is printed with what a page shows.

    python docs/check_examples.py            # all but those of NOT_RUN; real data is looked for in MRBENCH_DATA
    python docs/check_examples.py --quick    # only those that need no files
    python docs/check_examples.py --list     # every example, and why some are not run

Examples run in a temporary folder with small files of the names that the pages use. RUN stands for the runs that were
made before. The exit code is 1 if an example fails or prints something else.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("README.md", "docs/*.md", "CONTRIBUTING.md", "results/README.md")
PAGES = [page for name in NAMES for page in sorted(ROOT.glob(name))]
COMMAND = re.compile(r"(mrbench|python3?(\.11)?|pip|pytest|tox|torchrun|ruff|OMP_NUM_THREADS=1) ")

NOT_RUN = {
    r"^(python3\.11 -m venv|pip |tox|pytest|ruff |\.ci/)|-m pytest": "installs or tests; CI and tox do this",
    r"\b(8b|7b)\b|--checkpoint": "needs published weights and a GPU; tests/baselines/llm has small ones",
    r"^torchrun|--devices|--train-devices": "starts processes; tests/distributed does",
    r"data fetch": "downloads; tests/data/test_fetch.py has a server",
    r"^python benchmarks/review_order": "reads whole datasets, for minutes",
    r"^python benchmarks/(?!lost_share)|mrbench bench": "times this machine for minutes",
    r"^python docs/|^python benchmarks/suite": "checks or builds these pages themselves",
    r"greedy|slot-counts|right-to-left": "needs the class on the page; tests/test_docs.py checks it",
    r"MODEL|DECODER|SEED|\bDATA\b|p_mask=P|NAME\.\.\.|markov\|pop": "has placeholders; it made the runs of results/",
    r"^mrbench blend": "needs the same runs on the validation items; tests/report/test_blend.py has some",
    r"llada|llama3|qwen2\.5|tiger|sasrec|idgenrec": "trains for minutes to hours; tests train tiny ones",
    r"Instr-km|RUN_KM": "tokenizes all of Instruments; tests/tokenizers do small data",
    r"rqvae|letter|--preset": "trains for minutes; tests/test_journey.py runs each method",
    r"^mrbench (figure|table) .*--runs-dir|^mrbench figure": "draws what results/ has; tests/report draws small ones",
    r"RUN --runs-dir": "RUN is any run of results/",
    r"--holdout": "needs data with times; tests/experiment/test_user_data.py has some",
    r"mrbench recommend(?!.*50,181)": "names users and items of one dataset; tests/cli/test_recommend.py has some",
    r"score FILE|mrbench export RUN --out|u\.data|name ml-1m": "needs files; tests/data/importing has some",
}
"""Patterns of examples that are not run, and why. The first that matches is named."""


@dataclass(frozen=True)
class Example:
    """A command of a page."""

    page: str
    command: str

    @property
    def why_not(self) -> str:
        """Why it is not run; '' if it is."""
        return next((reason for pattern, reason in NOT_RUN.items() if re.search(pattern, self.command)), "")

    @property
    def needs_data(self) -> bool:
        """Whether it needs a data folder."""
        return bool(re.search(r"--data (arts|games|instruments)\b|data (show|audit)|--user ", self.command))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """The language and the content of every code block of a page, fenced or indented."""
    parts = re.split(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    for prose, language, code in zip(parts[::3], [*parts[1::3], ""], [*parts[2::3], ""], strict=True):
        for indented in re.findall(r"(?:^ {4}\S.*\n(?:^ {4,}.*\n)*)", prose, re.MULTILINE):
            yield "", re.sub(r"^ {4}", "", indented, flags=re.MULTILINE)
        if code:
            yield language, code


def examples() -> list[Example]:
    """Every command of every page, without its comment, in the order of the pages."""
    found = []
    for page in PAGES:
        for language, code in blocks(page.read_text(encoding="utf-8")):
            if language:
                continue
            for line in re.sub(r"\\\n\s*", "", code).splitlines():
                command = re.sub(r"\s+# .*", "", line).strip()
                if COMMAND.match(command) and "`" not in command:
                    found.append(Example(str(page.relative_to(ROOT)), command))
    return found


def prepare(folder: Path, data: Path | None) -> None:
    """Make the files that examples name.

    Args:
        folder: where examples run.
        data: a folder with the public datasets, or None.
    """
    (folder / "data").mkdir()
    for source in sorted(data.iterdir()) if data else []:
        if source.is_dir():
            (folder / "data" / source.name).symlink_to(source.resolve())
    for name in ("benchmarks", "results", "tables"):
        (folder / name).symlink_to(ROOT / name)
    write_shop(folder)
    if recbole := importlib.util.find_spec("recbole"):
        movielens = Path(str(recbole.origin)).parent / "dataset_example" / "ml-100k"
        for name in ("ml-100k.inter", "ml-100k.item"):
            (folder / name).symlink_to(movielens / name)
    own_data = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    (folder / "mine.toml").write_text(own_data.partition("```toml\n")[2].partition("```")[0])
    grid = '[run]\ndecoder = "dbs-dedup"\n[[grid]]\nmodel = "markov"\noptions.decay = [0.7, 0.9]\n'
    (folder / "grid.toml").write_text(grid)


def write_shop(folder: Path) -> None:
    """A small shop: 60 users who buy the 9 items of one kind in turn."""
    with (folder / "reviews.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "item", "timestamp"])
        rows.writerows(
            (f"u{user}", f"i{4 * ((user + step) % 9) + user % 4}", 100 * user + step)
            for user in range(60)
            for step in range(8)
        )
    titles = "".join(
        json.dumps({"id": f"i{item}", "title": f"thing {item}", "categories": ["All", f"Kind {item % 4}"]}) + "\n"
        for item in range(36)
    )
    (folder / "products.jsonl").write_text(titles)
    (folder / "products.jsonl.gz").write_bytes(gzip.compress(titles.encode()))


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line in the folder; `mrbench` and `python` are this environment's."""
    words = re.sub(r"^mrbench ", f"{sys.executable} -m mindrec_bench ", command)
    words = re.sub(r"^python ", f"{sys.executable} ", words)
    environment = dict(os.environ) | {"MRBENCH_DATA": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(words, shell=True, cwd=folder, env=environment, capture_output=True, text=True)


def with_runs(command: str, runs: list[tuple[str, str]]) -> str:
    """The command with the latest runs on one dataset in place of RUN.

    Args:
        command: an example.
        runs: the dataset and the id of each run so far.
    """
    count = command.split().count("RUN")
    ids: list[str] = []
    for data in dict.fromkeys(data for data, _ in reversed(runs)):
        ids = list(dict.fromkeys(run for other, run in runs if other == data))[-count:]
        if len(ids) == count:
            break
    for name in ids if count else ():
        command = re.sub(r"\bRUN\b", name, command, count=1)
    return command


def forget_shop(command: str, folder: Path) -> None:
    """Remove what an earlier page imported or tokenized under the same name."""
    shop = folder / "data" / "shop"
    if re.search(r"data import .*--name shop\b", command):
        shutil.rmtree(shop, ignore_errors=True)
    if "data tokenize shop" in command:
        (shop / "shop.index.json").unlink(missing_ok=True)


def shown_output(page: Path) -> list[str]:
    """The `text` blocks of a page: what its commands print."""
    return [code for language, code in blocks(page.read_text(encoding="utf-8")) if language == "text"]


def main() -> int:
    """Run or list the examples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="list every example, and why some are not run")
    parser.add_argument("--quick", action="store_true", help="run only examples that need no data folder")
    arguments = parser.parse_args()
    data = Path(os.environ["MRBENCH_DATA"]) if os.environ.get("MRBENCH_DATA") else None
    if arguments.list:
        for example in examples():
            print(f"{example.page}: {example.command}\n    {example.why_not or 'run'}")
        return 0
    with tempfile.TemporaryDirectory() as name:
        return run_all(Path(name), None if arguments.quick else data)


def run_all(folder: Path, data: Path | None) -> int:
    """Run the examples; what they print must contain every paragraph of output on the pages."""
    prepare(folder, data)
    printed, failed = "", 0
    runs: list[tuple[str, str]] = []
    done: set[str] = set()
    for example in examples():
        command = with_runs(example.command, runs)
        if example.why_not or command in done or (example.needs_data and data is None):
            continue
        if "shop" not in command:
            done.add(command)
        forget_shop(command, folder)
        start = time.perf_counter()
        result = run(command, folder)
        printed += result.stdout
        runs += re.findall(r"^runs/([^/]+)/.*/(\w{12})$", result.stdout, re.MULTILINE)
        failed += result.returncode != 0
        state = "ok" if result.returncode == 0 else f"FAILED ({result.returncode}): {result.stderr.strip()[-500:]}"
        print(f"{example.page}: {example.command}\n    {state}, {time.perf_counter() - start:.0f} s", flush=True)
    for page in PAGES if data else PAGES[:1]:
        for paragraph in re.split(r"\n{2,}", "\n\n".join(shown_output(page)).strip("\n")):
            if f"{paragraph}\n" not in printed and paragraph:
                failed += 1
                print(f"{page.relative_to(ROOT)}: nothing printed\n{paragraph}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
