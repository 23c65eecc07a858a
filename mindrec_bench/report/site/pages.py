"""The pages of a report, by `jinja2`: one folder that opens from disk, without a server and without the network."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.loss_curve import LossCurve
from ...errors import UsageError
from ...io.atomic import TEMPORARY, atomic_write, explain_write_errors
from ...io.printable import CONTROLS
from ...metrics.names import CORPUS_METRICS, KS, RANKING_METRICS
from ..html_environment import html_environment
from ..metric_format import format_value, metric_arrow, metric_name
from ..run_text import LOST_NOTE
from ..training_losses import training_losses
from .charts import bar_chart, line_chart
from .leaderboards import TESTED_METRICS, Entry, Leaderboard

if TYPE_CHECKING:
    from jinja2 import Environment

COLUMNS = (
    "hr@1", "hr@5", "hr@10", "ndcg@5", "ndcg@10", "entropy", "valid", "coverage", "popularity", "users/s",
)  # fmt: skip
"""The columns of a leaderboard."""

TRAIN_POINTS = 120
"""The line of a training loss has at most so many points; each is the mean of equally many steps."""

ASSETS = ("site.css", "site.js")
GENERATOR = '<meta name="generator" content="mrbench report">'
"""Stands in every page, so that a report is overwritten and nothing else."""

UNFINISHED = f"<!doctype html>{GENERATOR}<p>This report is not whole: writing it was stopped. Make it again.\n"
"""The first page while the others are written, so that what a stopped command left is replaced by the next one."""


@dataclass(frozen=True)
class Cell:
    """A value of a leaderboard or of a run.

    Attributes:
        metric: its name.
        value: None where there is none.
        text: as it is shown.
        interval: its 95% interval, '' where none is known.
    """

    metric: str
    value: float | None
    text: str
    interval: str = ""


def write_report(boards: Sequence[Leaderboard], folder: Path) -> Path:
    """Write the pages, once all are made; an earlier report in the folder, or a part of one, is replaced.

    Args:
        boards: what it shows.
        folder: missing, empty, or an earlier report.

    Returns:
        The page to open.

    Raises:
        UsageError: the folder holds something else.
        MrbenchError: it can't be written.
    """
    index = folder / "index.html"
    with explain_write_errors(folder, "--out"):
        _refuse_other_content(folder)
    files = {name: resources.files(__package__).joinpath("assets", name).read_bytes() for name in ASSETS}
    files |= {name: text.encode() for name, text in _Pages(boards).render()}
    _write(index, UNFINISHED.encode())
    with explain_write_errors(folder, "--out"):
        for pattern in ("*.html", "runs/*.html", "users/*.html"):
            for page in folder.glob(pattern):
                if page != index:
                    page.unlink()
    for name, content in files.items():
        _write(folder / name, content)
    return index


def _refuse_other_content(folder: Path) -> None:
    """Refuse what is neither an earlier report nor empty; a temporary file is what a kill left of the first page."""
    if not folder.exists():
        return
    index = folder / "index.html"
    is_report = index.is_file() and GENERATOR.encode() in index.read_bytes()[:2000]
    if is_report or (folder.is_dir() and all(path.suffix == TEMPORARY for path in folder.iterdir())):
        return
    raise UsageError(f"{folder} holds something else than an earlier report; choose another folder with --out")


def _write(path: Path, content: bytes) -> None:
    atomic_write(path, lambda file: file.write(content), option="--out")


@dataclass(frozen=True, eq=False)
class _Pages:
    """Renders all pages of a report."""

    boards: Sequence[Leaderboard]

    def render(self) -> Iterator[tuple[str, str]]:
        """The path of each page within the report, and its text; the first page last, so that it finds all others."""
        for board in self.boards:
            for entry in board.entries:
                yield f"runs/{entry.run.id}.html", self._page("run", "../", **_run_values(board, entry))
        for board in self.boards:
            users = {f"users/{board.name}-{n}.html": user for n, user in enumerate(board.traced_users, start=1)}
            for path, user in users.items():
                yield path, self._page("user", "../", board=board, user=user, traced=board.traced_users[user])
            values = _leaderboard_values(board)
            yield f"{board.name}.html", self._page("leaderboard", "", users=users, **values)
        yield "index.html", self._page("index", "", boards=[_board_line(board) for board in self.boards])

    def _page(self, name: str, root: str, **values: Any) -> str:
        return self._environment.get_template(f"{name}.html.j2").render(root=root, generator=GENERATOR, **values)

    @cached_property
    def _environment(self) -> Environment:
        return html_environment("mindrec_bench.report.site", finalize=visible)


def visible(value: Any) -> Any:
    """A text with its control characters, which a page must not hold, replaced by a mark."""
    if type(value) is str:
        return re.sub(CONTROLS, "\ufffd", value)
    return value


def _board_line(board: Leaderboard) -> dict[str, Any]:
    return {
        "name": board.name,
        "title": board.title,
        "runs": len(board.entries),
        "lines": [
            {"role": role, "entry": entry, "value": _cell(entry, "hr@10").text}
            for role, entry in (("best", board.entries[0]), ("best by counting", board.best_by_counting))
            if entry is not None
        ],
    }


def _leaderboard_values(board: Leaderboard) -> dict[str, Any]:
    return {
        "board": board,
        "headings": [(metric, f"{metric_name(metric)}{metric_arrow(metric)}") for metric in COLUMNS],
        "rows": [
            {
                "entry": entry,
                "model": entry.run.spec.model.name,
                "decoder": entry.run.spec.decoder.name,
                "settings": ", ".join(board.settings(entry)),
                "cells": [_cell(entry, metric) for metric in COLUMNS],
                "finished": entry.run.summary.finished[:10],
            }
            for entry in board.entries
        ],
        "models": sorted({entry.run.spec.model.name for entry in board.entries}),
        "decoders": sorted({entry.run.spec.decoder.name for entry in board.entries}),
        "data": _embedded(board),
    }


def _embedded(board: Leaderboard) -> dict[str, Any]:
    """What the script of a leaderboard computes with; a hit rank takes one byte."""
    return {
        "users": len(board.entries[0].users),
        "ks": KS,
        "tested": TESTED_METRICS,
        "reference": board.reference.run.id,
        "slices": [
            {
                "by": slices.by,
                "groups": [visible(name) for name in slices.groups],
                "groupOf": _bytes(slices.group_of[np.searchsorted(slices.users, board.entries[0].users)]),
            }
            for slices in board.slices
        ],
        "runs": [
            {
                "id": entry.run.id,
                "label": visible(", ".join([entry.label, *board.settings(entry)])),
                "counts": entry.counts,
                "beam": entry.run.spec.beam,
                "ranks": _bytes(np.minimum(entry.hit_ranks, 255)),
                "p": board.p_values.get(entry.run.id, {}),
            }
            for entry in board.entries
        ],
    }


def _bytes(numbers: NDArray[Any]) -> str:
    """Numbers below 256 as base64, one byte each."""
    return base64.b64encode(numbers.astype(np.uint8).tobytes()).decode()


def _run_values(board: Leaderboard, entry: Entry) -> dict[str, Any]:
    run = entry.run
    summary = run.summary
    losses = training_losses(run) or LossCurve(())
    valid = [(point.epoch, point.valid_loss) for point in losses.points if point.valid_loss is not None]
    train = losses.train_line(TRAIN_POINTS)
    hits = np.bincount(entry.hit_ranks, minlength=run.spec.beam + 1)[1:]
    return {
        "board": board,
        "entry": entry,
        "settings": _settings(run.spec.as_dict()),
        "accuracy": [(name.upper(), [_cell(entry, f"{name}@{k}") for k in KS]) for name in ("hr", "ndcg")],
        "optimum": [
            (f"{name.upper()}, best reachable", [Cell(name, None, f"{summary.optimum[f'{name}@{k}']:.4f}") for k in KS])
            for name in ("hr", "ndcg")
            if summary.optimum
        ],
        "search_error": [
            (label, [_share(summary.search_error, f"{name}@{k}", run.spec.beam >= k) for k in KS])
            for name, label in (("exact", "exact top-k found"), ("lost", "probability lost"))
            if summary.search_error
        ],
        "lost_note": LOST_NOTE,
        "ks": KS,
        "lists": [(metric_name(metric) + metric_arrow(metric), _cell(entry, metric).text) for metric in CORPUS_METRICS],
        "hits_chart": bar_chart(hits.tolist(), x_label="rank of the true item", y_label="users"),
        "valid_chart": line_chart(valid, x_label="epochs", y_label="validation loss") if len(valid) > 1 else None,
        "train_chart": line_chart(train, x_label="epochs", y_label="training loss") if len(train) > 1 else None,
        "lowest": min((loss for _, loss in valid), default=None),
    }


def _settings(spec: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The run's spec as pairs of name and value; parts of parts have a dot in their name."""
    pairs: list[tuple[str, str]] = []
    for name, value in spec.items():
        if isinstance(value, dict):
            pairs += _settings(value, f"{prefix}{name}.")
        elif value not in (None, ""):
            pairs.append(
                (f"{prefix}{name}", {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value))
            )
    return pairs


def _share(values: Mapping[str, float], name: str, reached: bool) -> Cell:
    return Cell(name, values[name], f"{values[name]:.2%}") if reached else Cell(name, None, "–")


def _cell(entry: Entry, metric: str) -> Cell:
    summary = entry.run.summary
    if metric == "users/s":
        if summary.timings is None:
            return Cell(metric, None, "–")
        rate = summary.timings.users_per_second
        return Cell(metric, rate, f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}")
    k = int(metric.partition("@")[2] or 0)
    if metric not in summary.metrics or not entry.reaches(k):
        return Cell(metric, None, "–")
    value = summary.metrics[metric]
    interval = ""
    if metric in RANKING_METRICS and metric in entry.intervals:
        low, high = entry.intervals[metric]
        interval = f"{format_value(low, metric)} to {format_value(high, metric)}"
    return Cell(metric, float(value), format_value(value, metric), interval)
