"""What `mrbench score` is asked: a file of rankings, and what it ranks for."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from ..experiment.config import ExperimentConfig, Users, to_flags
from ..io.schema import Setting
from ..store.run_spec import MAX_SEED


@dataclass(frozen=True)
class ExternalRankings:
    """A file of rankings, and what it ranks for.

    Attributes:
        file: Parquet or CSV, as described in `ranking_file`.
    """

    file: Path
    name: Annotated[str, Setting("The system that made the rankings; tables show it as the model.")]
    data: Annotated[str, Setting("The dataset: a name of `mrbench list data`, or a folder.")] = ExperimentConfig.data
    users: Annotated[Users, Setting("The data are the first N users by id.", none="all")] = ExperimentConfig.users
    eval_users: Annotated[int | None, Ge(1), Setting("The file ranks only for the first N users.")] = None
    beam: Annotated[
        int | None, Ge(1), Setting("Requested results per user.", default="the length of the longest list")
    ] = None
    seed: Annotated[
        int, Ge(0), Le(MAX_SEED), Setting("The seed that the rankings were made with; tables average over seeds.")
    ] = ExperimentConfig.seed
    holdout: Annotated[str, Setting("What is held out; see `mrbench run --help`.")] = ExperimentConfig.holdout
    allow_missing: Annotated[
        bool, Setting("Count users without a ranking as misses, instead of refusing the file.")
    ] = False

    def command(self) -> str:
        """The shortest command that scores these rankings."""
        return shlex.join(["mrbench", "score", str(self.file), *to_flags(self, always=("data",), hidden=("file",))])
