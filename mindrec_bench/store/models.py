"""Fitted models in the run store: `<root>/<data>/<model>/fit/<id>/`, shared by all decoders.

`report.json` is written when training has ended. It marks the model as finished, and holds a checksum of every other
file. Usual order:

    folder = FittedModelFolder(spec, root)
    with folder.lock(wait=True):
        report = folder.load_report()
        if report is None:
            folder.start()
            report = folder.finish(backbone.fit(task, folder.path))
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.backbone import MODEL_FILE, FitReport
from ..core.loss_curve import LOSSES_FILE, LossCurve
from ..errors import DataError
from ..io.atomic import TEMPORARY, explain_read_errors, explain_write_errors, remove_folder
from ..io.hashing import short_hash
from ..io.locks import folder_lock
from ..io.manifest import Stamp, damaged_file, manifest_stamp, read_manifest, write_manifest
from ..io.schema import read_strictly
from .run_spec import FIT, RunSpec
from .run_summary import WEIGHTS_HASH
from .runs import OtherVersionError, holds

REPORT = "report.json"


@dataclass(frozen=True)
class FittedModelFolder:
    """The folder of one fitted model.

    Attributes:
        spec: a run that needs the model; runs with the same `fit` share it.
        root: the run store; it is created when something is written.
    """

    spec: RunSpec
    root: Path

    @property
    def path(self) -> Path:
        """`<root>/<data>/<model>/fit/<fit id>`."""
        return self.root / self.spec.model_path / FIT / self.spec.fit.id

    def lock(self, *, wait: bool) -> AbstractContextManager[None]:
        """Hold the model for this process while it is trained or loaded.

        Raises:
            MrbenchError: another process holds it and `wait` is false, or the lock can't be written.
        """
        return folder_lock(self.path, wait=wait)

    def is_done(self) -> bool:
        """Whether training has ended; the files are not checked.

        Raises:
            DataError: the folder can't be read.
        """
        return holds(self.path, REPORT)

    def stamp(self) -> Stamp:
        """Tells this trained model from one that is trained later."""
        return manifest_stamp(self.path / REPORT)

    def load_report(self, *, warn: bool = True) -> FitReport | None:
        """The report of the training, all files checked; None when it has not ended or, with a notice, is damaged.

        Args:
            warn: log the notice.

        Raises:
            DataError: a file can't be read.
            OtherVersionError: a later version trained the model.
        """
        content = read_manifest(self.path / REPORT, check=None, warn=warn)
        if content is None:
            return None
        try:
            return read_strictly(FitReport, content["report"])
        except ValueError as error:  # whole, and with fields that this version does not know
            raise OtherVersionError(self.path, earlier=False) from error

    def weights_id(self) -> str:
        """A hash that is equal exactly for the same files; '' before training has ended.

        `MODEL_FILE` and `LOSSES_FILE` are left out. A model that was trained again has the same fit id but may have
        other weights, whose rankings must not be mixed with those of the first.
        """
        return _weights_id(read_manifest(self.path / REPORT, check=()))

    def loss_curve(self, weights_id: str) -> LossCurve | None:
        """The losses of the training by step; None where the model is not here, or has other weights, or stored none.

        Args:
            weights_id: what `weights_id` was when the model decoded.

        Raises:
            DataError: a file can't be read, or is damaged or missing.
        """
        with explain_read_errors(self.path):
            if not self.path.is_dir():
                return None
        content = read_manifest(self.path / REPORT, check=(), warn=False)
        if content is None:
            raise self._damaged(self.path / REPORT)
        if _weights_id(content) != weights_id or LOSSES_FILE not in content["files"]:
            return None
        if damaged := damaged_file(self.path / REPORT, check=(LOSSES_FILE,)):
            raise self._damaged(damaged)
        return LossCurve.read(self.path)

    def _damaged(self, path: Path) -> DataError:
        return DataError(f"{path} is damaged or missing; a run's command with --fresh trains its model again")

    def start(self) -> None:
        """Get ready to train: a finished but damaged model is deleted, an interrupted training stays to be continued.

        Raises:
            MrbenchError: the folder can't be written.
        """
        if self.is_done():
            self.discard()
        with explain_write_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    def finish(self, report: FitReport) -> FitReport:
        """Mark the model as finished, with a checksum of every file in its folder.

        Returns:
            The report.

        Raises:
            MrbenchError: the disk is full or the folder can't be written.
        """
        files = [path for path in self.path.rglob("*") if path.is_file() and path.suffix != TEMPORARY]
        write_manifest(self.path / REPORT, {"report": asdict(report), "spec": self.spec.fit.as_dict()}, files)
        return report

    def discard(self) -> None:
        """Delete the model, if there is one.

        Raises:
            MrbenchError: it can't be deleted.
        """
        remove_folder(self.path, first=REPORT)


def _weights_id(manifest: dict[str, Any] | None) -> str:
    """See `FittedModelFolder.weights_id`."""
    if manifest is None:
        return ""
    weights = {name: digest for name, digest in manifest["files"].items() if name not in (MODEL_FILE, LOSSES_FILE)}
    return f"{WEIGHTS_HASH}{short_hash(weights)}"
