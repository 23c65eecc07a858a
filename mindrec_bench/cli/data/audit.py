"""`mrbench data audit`: what a test on a dataset can show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...experiment.config import ExperimentConfig
from ..config_options import config_options
from ..flags import data_dir_option, json_option, print_result, quiet_option, text_width


@click.command()
@click.argument("name")
@config_options(ExperimentConfig, only=("users", "holdout", "history", "seed"))
@data_dir_option
@quiet_option
@json_option
def audit(name: str, data_dir: Path | None, quiet: bool, as_json: bool, **flags: Any) -> None:
    """Say what a test on a dataset can show: ties, leakage, repeats, unseen targets, collisions, memorisable targets.

    \b
    mrbench data audit arts
    mrbench data audit shop --users all --holdout time:0.9

    NAME is a known or imported dataset, or the path of a folder. HR@10 is that of models that only count.
    """
    from ...core.holdout import Holdout
    from ...data.sources import resolve_data
    from ...data_audit.audit import audit_data
    from ...data_audit.audit_text import audit_text, conclude
    from ...data_audit.target_ranks import rank_targets
    from ...experiment.config import AUTO, make_config
    from ...io.progress import ProgressBar
    from ..messages import hide_messages

    hide_messages(quiet)
    # a model and a decoder that need nothing, so that the values are checked as those of a run
    config = make_config({"model": "pop", "decoder": "rank-items", "data": name, **flags})
    holdout = Holdout.parse(config.holdout)
    _, source = resolve_data(name, data_dir)
    users = source.default_users() if config.users == AUTO else config.users
    dataset = source.load(data_dir, users=users).with_split(holdout, config.history)
    with ProgressBar(unit=" users", desc="ranking", disable=quiet) as bar:
        values = audit_data(
            dataset, seed=config.seed, rank=lambda data, model: rank_targets(data, model, progress=bar.update)
        )
    print_result({**values, "conclusions": conclude(values)}, audit_text(values, text_width()), as_json)
