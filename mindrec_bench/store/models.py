"""Fitted models in the run store: `<root>/<data>/<model>/fit/<id>/`, shared by all decoders.

`report.json` is written when training has ended; its presence marks the model as finished, and it holds a checksum of
every other file. Usual order:

    fit = FitFolder(spec, root, notify)
    with fit.lock(wait=True):
        report = fit.load_report()
        if report is None:
            fit.start()
            report = fit.finish(backbone.fit(task, fit.path))
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.backbone import FitReport
from ..io.atomic import TEMPORARY, Notify, explain_write_errors, remove_folder
from ..io.hashing import short_hash
from ..io.locks import hold
from ..io.manifest import read_manifest, write_manifest
from .run_spec import RunSpec

REPORT = "report.json"


@dataclass(frozen=True)
class FittedModelFolder:
    """The folder of one fitted model.

    Attributes:
        spec: a run that needs the model; runs with the same `fit_spec` share it.
        root: the run store; nothing need exist yet.
        notify: gets one line for each thing a user should know: waiting, damage.
    """

    spec: RunSpec
    root: Path
    notify: Notify

    @property
    def path(self) -> Path:
        """`<root>/<data>/<model>/fit/<fit id>`."""
        return self.spec.fit_folder(self.root)

    def lock(self, *, wait: bool) -> AbstractContextManager[None]:
        """Hold the model for this process while it is trained or loaded.

        Raises:
            MrbenchError: another process holds it and `wait` is false, or the lock can't be written.
        """
        return hold(self.path, wait=wait, notify=self.notify)

    def is_done(self) -> bool:
        """Whether training has ended; the files are not checked."""
        return (self.path / REPORT).is_file()

    def load_report(self) -> FitReport | None:
        """What training did, all files checked; None when it has not ended or, with a notice, a file is damaged."""
        content = read_manifest(self.path / REPORT, verify=True, notify=self.notify)
        if content is None:
            return None
        return FitReport(**{**content["report"], "valid_loss": tuple(content["report"]["valid_loss"])})

    def weights_id(self) -> str:
        """Twelve hex digits that are equal exactly for the same files; '' before training has ended.

        A model that was trained anew has the same fit id but may have other weights; its answers must not be mixed in.
        """
        content = read_manifest(self.path / REPORT, verify=False, notify=self.notify)
        return "" if content is None else short_hash(content["files"])

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
        write_manifest(self.path / REPORT, {"report": asdict(report), "spec": self.spec.fit_spec}, files)
        return report

    def discard(self) -> None:
        """Delete the model; nothing happens where there is none.

        Raises:
            MrbenchError: it can't be deleted.
        """
        remove_folder(self.path, first=REPORT)
