"""Read table files: the paper's, which are installed with the package, and users' own."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from ..core.code_space import Categories
from ..core.protocols import Constrain
from ..errors import UsageError, did_you_mean
from ..io.schema import parse_toml, read_text, require_choice, validate_keys
from ..plugins import options, registry
from ..store.run_spec import EXTERNAL
from .table_spec import FINDINGS, KINDS, NOT_PRINTED, TIMINGS, RowSpec, TableSpec

PACKAGE = "mindrec_tables"
"""Where the paper's tables are installed."""


def names() -> list[str]:
    """The paper's tables and figures that are installed, sorted."""
    files = resources.files(PACKAGE).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_table(name: str) -> TableSpec:
    """Read a table by its name (`table2`, `fig3`, ...) or by the path of a TOML file.

    Raises:
        UsageError: no such table, or the file has an unknown key, a wrong value, or an unknown model or decoder.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"no table file {path}; give a path that exists, or one of {', '.join(names())}")
        return parse_table(read_text(path, "the table"), path.stem, str(path))
    known = names()
    if name not in known:
        raise UsageError(
            f"unknown table '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}, or the path of a .toml file"
        )
    return parse_table((resources.files(PACKAGE) / f"{name}.toml").read_text(encoding="utf-8"), name, f"{name}.toml")


def parse_table(text: str, name: str, origin: str) -> TableSpec:
    """Read and check the text of a table file.

    Args:
        text: TOML.
        name: the table's name.
        origin: how messages call the file.

    Raises:
        UsageError: see `load_table`.
    """
    raw = parse_toml(text, origin)
    if isinstance(raw.get("reference"), str):
        raw["reference"] = [raw["reference"]]
    lines = raw.pop("rows", [])
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines) or not lines:
        raise UsageError(f"{origin} has no rows; write one [[rows]] section for each")
    head = {"name": name, "rows": (), **validate_keys(raw, TableSpec, origin, hidden=("name", "rows"))}
    spec = TableSpec(**{**head, "users": None if head.get("users") == "all" else head.get("users", 5000)})
    spec = replace(spec, rows=tuple(_row(line, spec, f"row {i + 1} of {origin}") for i, line in enumerate(lines)))
    _check_head(spec, origin)
    for row in spec.rows:
        _check_row(row, spec, f"row '{row.label}' of {origin}")
    return spec


def _row(line: dict[str, Any], spec: TableSpec, where: str) -> RowSpec:
    absent = line.get("absent", {})
    line = {**line, "absent": {"": absent} if isinstance(absent, str) else absent}
    return RowSpec(**validate_keys(line, RowSpec, where))


def _check_head(spec: TableSpec, origin: str) -> None:
    require_choice(spec.kind, KINDS, "kind", origin)
    for metric in spec.metrics:
        require_choice(metric, KINDS[spec.kind], "metric", origin)
    for timing in spec.timings:
        require_choice(timing, TIMINGS, "timing", origin)
    if spec.kind == "figure":
        _check_places(spec, origin)
    labels = [row.label for row in spec.rows]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"two rows of {origin} are labelled '{label}'; give each its own label")
    for finding in spec.findings:
        require_choice(finding, FINDINGS, "finding", origin)
        if finding in ("mcnemar", "improvement") and not spec.reference:
            raise UsageError(f"finding '{finding}' in {origin} needs a row to compare with; write reference = ...")
    for label in spec.reference:
        require_choice(label, labels, "reference", origin)
    for key, number in (("users", spec.users), ("eval_users", spec.eval_users), ("beam", spec.beam)):
        if number is not None and (isinstance(number, str) or number < 1):
            more = " or 'all'" if key == "users" else ""
            raise UsageError(f"{key} in {origin} is {number!r}; it must be a whole number of at least 1{more}")
    if not spec.data or not spec.metrics or not spec.seeds:
        raise UsageError(f"{origin} needs at least one entry each in data, metrics and seeds")


def _check_places(spec: TableSpec, origin: str) -> None:
    """Each row of a figure has a place of its own on the x axis."""
    places: dict[float, str] = {}
    for row in spec.rows:
        if row.x is None:
            raise UsageError(f"row '{row.label}' of {origin} has no key 'x', its place on the x axis; write x = ...")
        if row.x in places:
            raise UsageError(f"rows '{places[row.x]}' and '{row.label}' of {origin} have the same x; change one")
        places[row.x] = row.label


def _check_row(row: RowSpec, spec: TableSpec, where: str) -> None:
    for data in [*row.published, *(key for key in row.absent if key)]:
        require_choice(data, spec.data, "data", where)
    for data, values in row.published.items():
        if len(values) != len(spec.metrics):
            raise UsageError(f"{where} has {len(values)} published values on {data} for {len(spec.metrics)} metrics")
        for value in values:
            if not isinstance(value, str) or (value != NOT_PRINTED and not _is_number(value)):
                raise UsageError(
                    f"published value {value!r} in {where} must be a number in quotes, as printed, or '{NOT_PRINTED}'"
                )
    if spec.kind == "statistics":
        return
    for key in ("model", "decoder"):
        if not getattr(row, key):
            raise UsageError(f"{where} has no key '{key}'; write {key} = ...")
    if row.categories is not None:
        require_choice(row.categories, get_args(Categories), "categories", where)
    require_choice(row.constrain, get_args(Constrain), "constrain", where)
    _check_names(row, where)


def _check_names(row: RowSpec, where: str) -> None:
    """Refuse unknown names, but for rankings made elsewhere, and where the row says that there is no run of it."""
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


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
