"""Read table files: those installed with the package, and users' own."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import UsageError, did_you_mean
from ..experiment.config import ExperimentConfig
from ..io.atomic import explain_read_errors
from ..io.json_files import read_text
from ..io.schema import is_number, parse_toml, require_choice, toml_value, validate_keys
from ..metrics.names import canonical_metric
from ..plugins import options, registry
from ..store.run_spec import EXTERNAL
from . import published_rows
from .table_spec import COSTS, FINDINGS, KINDS, NOT_REPORTED, SETTINGS, STATISTICS, TIMINGS, RowSpec, TableSpec

TABLES_PACKAGE = "mindrec_tables"
"""The package that the table files are installed as."""


def installed_tables() -> list[str]:
    """The names of the tables and figures that are installed, sorted."""
    files = resources.files(TABLES_PACKAGE).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_table_spec(name: str) -> TableSpec:
    """Read a table by its name (`table2`, `fig3`, ...) or by the path of a TOML file.

    Raises:
        UsageError: there is no such table, or the file has an unknown key, a wrong value, or an unknown model or
            decoder.
        DataError: the file can't be read.
    """
    known = installed_tables()
    if name.endswith(".toml"):
        path = Path(name)
        with explain_read_errors(path):
            if not path.is_file():
                raise UsageError(f"no table file {path}; give a path that exists, or one of {', '.join(known)}")
        return parse_table_spec(read_text(path, "the table", UsageError), path.stem, str(path))
    if name not in known:
        raise UsageError(
            f"unknown table '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}, or the path of a .toml file"
        )
    text = (resources.files(TABLES_PACKAGE) / f"{name}.toml").read_text(encoding="utf-8")
    return parse_table_spec(text, name, f"{name}.toml")


def parse_table_spec(text: str, name: str, source: str) -> TableSpec:
    """Parse and check the text of a table file.

    Args:
        text: TOML.
        name: name of the table.
        source: what messages call the file.

    Raises:
        UsageError: see `load_table_spec`.
    """
    raw = parse_toml(text, source)
    if isinstance(raw.get("reference"), str):
        raw["reference"] = [raw["reference"]]
    raw_rows = raw.pop("rows", [])
    if not isinstance(raw_rows, list) or not all(isinstance(row, dict) for row in raw_rows) or not raw_rows:
        raise UsageError(f"{source} has no rows; write one [[rows]] section for each")
    settings = _take_settings(raw, source)
    head = validate_keys(raw, TableSpec, source, hidden=("name", "rows", "settings"), others=SETTINGS)
    spec = TableSpec(name=name, rows=(), settings=settings, **head)
    rows = tuple(
        _parse_row(row, spec.kind, f"row {number} of {source}") for number, row in enumerate(raw_rows, start=1)
    )
    rows = tuple(_with_citation(row, spec, f"row '{row.label}' of {source}") for row in rows)
    spec = replace(spec, rows=rows)
    _check_head(spec, source)
    if spec.kind != "statistics":
        spec = replace(spec, metrics=tuple(canonical_metric(metric, source) for metric in spec.metrics))
    _check_repeats(spec, source)
    for row in spec.rows:
        _check_row(row, spec, f"row '{row.label}' of {source}")
    return spec


def _parse_row(raw: dict[str, Any], kind: str, where: str) -> RowSpec:
    absent = raw.get("absent", {})
    raw = {**raw, "absent": {"": absent} if isinstance(absent, str) else absent}
    settings = {} if kind == "statistics" else _take_settings(raw, where)
    return RowSpec(settings=settings, **validate_keys(raw, RowSpec, where, hidden=("settings",), others=SETTINGS))


def _with_citation(row: RowSpec, spec: TableSpec, where: str) -> RowSpec:
    """A row that cites a published one, with its values and its source."""
    if not row.cite:
        return row
    if row.published:
        raise UsageError(f"{where} has published values and cites '{row.cite}'; leave one of the two out")
    values = published_rows.published_values(TABLES_PACKAGE)
    found = published_rows.cite(values, row.cite, data=spec.data, metrics=spec.metrics, where=where)
    row = replace(row, published=found.published, note="; ".join(filter(None, (found.note, row.note))))
    if row.model:
        return row
    return replace(row, settings={"model": row.cite, "decoder": EXTERNAL}, absent={"": "published by others"})


def _take_settings(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Remove the settings of runs from a section, and check them."""
    settings = {key: raw.pop(key) for key in SETTINGS if key in raw}
    return validate_keys(settings, ExperimentConfig, where, partial=True)


def _check_head(spec: TableSpec, source: str) -> None:
    require_choice(spec.kind, KINDS, "kind", source)
    if spec.kind == "statistics":
        for metric in spec.metrics:
            require_choice(metric, STATISTICS, "metric", source)
    for timing in spec.timings:
        require_choice(timing, TIMINGS, "timing", source)
    for cost in spec.costs:
        require_choice(cost, COSTS, "cost", source)
    if spec.kind == "figure":
        check_positions = _check_lines if spec.costs else _check_x_positions
        check_positions(spec, source)
    labels = _checked_labels(spec, source)
    for finding in spec.findings:
        require_choice(finding, FINDINGS, "finding", source)
        if finding in ("mcnemar", "improvement") and not spec.reference:
            raise UsageError(f"finding '{finding}' in {source} needs a row to compare with; write reference = ...")
    for label in spec.reference:
        require_choice(label, labels, "reference", source)
    if not spec.data or not spec.metrics or not spec.seeds:
        raise UsageError(f"{source} needs at least one entry each in data, metrics and seeds")


def _checked_labels(spec: TableSpec, source: str) -> list[str]:
    """The labels of all rows, none of them empty and none twice."""
    labels = [row.label for row in spec.rows]
    for number, label in enumerate(labels, start=1):
        if not label.strip():
            raise UsageError(f"row {number} of {source} has an empty label; give it a name")
        if labels.count(label) > 1:
            raise UsageError(f"two rows of {source} are labelled '{label}'; give each its own label")
    return labels


def _check_repeats(spec: TableSpec, source: str) -> None:
    """No dataset, metric or seed is named twice, whatever a metric is called."""
    repeatable: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("data", spec.data), ("metrics", spec.metrics), ("seeds", spec.seeds),
    )  # fmt: skip
    for key, entries in repeatable:
        for entry in entries:
            if entries.count(entry) > 1:
                raise UsageError(f"'{key}' in {source} has {toml_value(entry)} twice; name it once")


def _check_lines(spec: TableSpec, source: str) -> None:
    """Each row of a figure with costs says which line it belongs to; its position is what its run cost."""
    for row in spec.rows:
        if not row.line:
            raise UsageError(f"row '{row.label}' of {source} has no key 'line', the line that it is a point of")
        if row.x is not None:
            raise UsageError(f"row '{row.label}' of {source} has a key 'x', but its costs place it; leave 'x' out")
    if spec.timings:
        raise UsageError(f"{source} has both costs and timings; keep one of them")


def _check_x_positions(spec: TableSpec, source: str) -> None:
    """Each row of a figure has its own position on the x axis."""
    labels: dict[float, str] = {}
    for row in spec.rows:
        if row.x is None:
            raise UsageError(f"row '{row.label}' of {source} has no key 'x', its position on the x axis; write x = ...")
        if row.x in labels:
            raise UsageError(f"rows '{labels[row.x]}' and '{row.label}' of {source} have the same x; change one")
        labels[row.x] = row.label


def _check_row(row: RowSpec, spec: TableSpec, where: str) -> None:
    for data in [*row.published, *(key for key in row.absent if key)]:
        require_choice(data, spec.data, "data", where)
    for data, values in row.published.items():
        if len(values) != len(spec.metrics):
            raise UsageError(f"{where} has {len(values)} published values on {data} for {len(spec.metrics)} metrics")
        for value in values:
            if not isinstance(value, str) or (value != NOT_REPORTED and not is_number(value)):
                raise UsageError(
                    f"published value {toml_value(value)} in {where} must be a number in quotes, as printed, or "
                    f"'{NOT_REPORTED}'"
                )
    if spec.kind == "statistics":
        return
    for key in ("model", "decoder"):
        if not row.settings.get(key):
            raise UsageError(f"{where} has no key '{key}'; write {key} = ...")
    _check_registered(row, where)


def _check_registered(row: RowSpec, where: str) -> None:
    """Refuse unknown names, except for rankings made elsewhere, and in a row that says that there is no run of it."""
    if row.decoder == EXTERNAL:
        return
    kinds: tuple[tuple[registry.Kind, str], ...] = (("model", row.model), ("decoder", row.decoder))
    for kind, text in kinds:
        name, _ = options.parse(text)
        known = registry.names(kind)
        if name in known:
            try:
                registry.make(kind, text)
            except UsageError as error:
                raise UsageError(f"{where}: {error}") from error
        elif "" not in row.absent:
            raise UsageError(
                f"unknown {kind} '{name}' in {where}{did_you_mean(name, known)}; known: {', '.join(known)}; a row that "
                "only shows published values says why in `absent`"
            )
