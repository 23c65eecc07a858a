"""What every backbone owes, checked on fits of seconds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from ..core.backbone import Backbone, FitReport, Task
from ..core.code_space import CodeSpace
from ..core.dataset import Dataset, Histories
from ..core.protocols import Model
from ..data.simulation.arts_sim import ArtsSim
from ..experiment.config import AUTO
from ..plugins.registry import CAN_ANSWER
from .answers import BEAMS, Probe, close
from .rules import check_options, require


def check_backbone(backbone: Backbone, *, size: str | None = None, data: Dataset | None = None) -> None:
    """Check what every backbone owes: options, shapes, probabilities, determinism, resume, batch invariance, padding.

    Where it is trained, it is fitted on the CPU three times, once of them in two parts: give it options that make
    training short, `epochs=2` say.

    Args:
        backbone: with the options to check.
        size: one of its sizes; None: the smallest.
        data: to fit and ask on; None: a simulation of 30 users and 60 items.

    Raises:
        AssertionError: one sentence, which rule is broken and how.
    """
    _check_class(backbone)
    data = data or ArtsSim(users=30, items=60).load(None, users=None, notify=lambda line: None)
    size = size or next(iter(backbone.sizes), "")
    space = data.space(categories=data.categories is not None and not backbone.model_codes)
    with TemporaryDirectory() as folder:
        lines: list[str] = []
        task = Task(data, space, size=size, quiet=True, notify=lines.append)
        fits = _Fits(backbone.with_size_defaults(size), task, Path(folder) / "first")
        model = fits.fitted("whole")
        name = fits.name
        _check_model(model, fits.probe(model), data)
        require(fits.same(model, fits.loaded("whole")), f"{name}: a second `load` of one folder answers otherwise")
        if backbone.sizes:
            _check_determinism(fits, model, len(lines))
        if space.n_categories:
            where = f"{name}, the category slots left out of the canvas"
            _check_model(model, Probe(where, backbone.capability, space, space.sid_slots), data)
            bare = replace(task, space=data.space(categories=False))
            model = _Fits(backbone.with_size_defaults(size), bare, Path(folder) / "bare").fitted("whole")
            where = f"{name}, fitted without category slots"
            _check_model(model, Probe(where, backbone.capability, bare.space, bare.space.sid_slots), data)


def _check_class(backbone: Backbone) -> None:
    """What the registry and the command line rely on."""
    check_options(backbone)
    name, capability, sizes = type(backbone).__name__, backbone.capability, backbone.sizes
    require(capability in CAN_ANSWER, f"{name}: capability is {capability!r}, and not one of {', '.join(CAN_ANSWER)}")
    good = isinstance(sizes, tuple) and all(isinstance(size, str) and size not in ("", AUTO) for size in sizes)
    require(good, f"{name}: sizes is {sizes!r}, and not a tuple of names other than '' and '{AUTO}'")
    for size in sizes or ("",):
        at = backbone.with_size_defaults(size)
        require(
            type(at) is type(backbone), f"{name}: with_size_defaults({size!r}) is of another class, {type(at).__name__}"
        )
        require(
            at.with_size_defaults(size) == at,
            f"{name}: with_size_defaults({size!r}) changes options that with_size_defaults({size!r}) has filled in",
        )
        for field in fields(backbone):  # type: ignore[arg-type]
            given, there = getattr(backbone, field.name), getattr(at, field.name)
            kept = given in (field.default, there)
            require(
                kept,
                f"{name}: with_size_defaults({size!r}) changes {field.name}={given!r}, which was given, to {there!r}",
            )


class _Stopped(KeyboardInterrupt):
    """Ends a fit as Ctrl-C does."""


@dataclass(frozen=True, eq=False)
class _Fits:
    """Fits of one backbone to one task, each in a folder of its own."""

    backbone: Backbone
    task: Task
    root: Path

    @property
    def name(self) -> str:
        return type(self.backbone).__name__

    def fitted(self, folder: str, notify: Callable[[str], None] | None = None) -> Model:
        """Fit in this folder, or continue there, and load."""
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        if self.backbone.sizes:
            report = self.backbone.fit(replace(self.task, notify=notify or self.task.notify), path)
            right = isinstance(report, FitReport)
            require(right, f"{self.name}: `fit` returns a {type(report).__name__}, and no FitReport")
        return self.loaded(folder)

    def loaded(self, folder: str) -> Model:
        """Load what was fitted in this folder."""
        return self.backbone.load(self.task, self.root / folder)

    def probe(self, model: Model) -> Probe:
        """Asks about all slots: those of the data, or a model's own."""
        space = self.task.space
        if self.backbone.model_codes:
            space = _own_space(self.name, model, self.task.space.n_items)
        return Probe(self.name, self.backbone.capability, space, tuple(range(space.n_slots)))

    def same(self, one: Model, other: Model) -> bool:
        """Whether two models answer the same to the last bit."""
        probe, histories = self.probe(one), _histories(self.task.data)
        ours, theirs = probe.space, self.probe(other).space
        if not all(map(np.array_equal, (ours.item_codes, *ours.numbers), (theirs.item_codes, *theirs.numbers))):
            return False
        first, second = (model.begin(histories, probe.slots) for model in (one, other))
        return all(
            torch.equal(probe.ask(first, question), probe.ask(second, question))
            for question in probe.questions(len(histories))
        )


def _own_space(name: str, model: Model, n_items: int) -> CodeSpace:
    """The codes of a model that names items in its own, and what they owe."""
    space = getattr(model, "code_space", None)
    if not isinstance(space, CodeSpace):
        raise AssertionError(f"{name}: it declares own_codes, and its model has no CodeSpace `code_space`")
    require(space.n_categories == 0, f"{name}: own_space has category slots")
    require(space.n_items == n_items, f"{name}: own_space has {space.n_items} items, and the data {n_items}")
    alone = bool((space.find(space.item_codes) == np.arange(n_items)).all())
    require(alone, f"{name}: two items have the same codes in own_space")
    return space


def _check_determinism(fits: _Fits, model: Model, n_lines: int) -> None:
    """A fit that is stopped at a line of progress and called again ends like one that runs through.

    One that says nothing is called again when it is done, as it is when a run is killed just then.
    """
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if len(lines) > n_lines // 2:
            raise _Stopped

    with suppress(_Stopped):
        fits.fitted("stopped", stop)
    if fits.same(model, fits.fitted("stopped")):
        return
    # Only now is another fit worth its time: it tells which of two rules is broken.
    again = fits.fitted("again")
    require(fits.same(model, again), f"{fits.name}: two fits with one seed answer differently on the CPU")
    how = "stopped and called again" if lines else "called again when it is done"
    require(False, f"{fits.name}: a `fit` that is {how} answers differently from one that runs through")


def _check_model(model: Model, probe: Probe, data: Dataset) -> None:
    """What a fitted model owes on one canvas."""
    histories = _histories(data)
    items = histories.items.copy()
    everyone, where = list(range(len(histories))), probe.where
    context = model.begin(histories, probe.slots)
    questions = list(probe.questions(len(histories)))
    answers = [probe.ask(context, question) for question in questions]
    for question, answer in zip(questions, answers, strict=True):
        probe.check(answer, question)
        again = probe.ask(context, question)
        # Rounding may differ: a context may keep what it has computed for the questions before.
        require(close(answer, again), f"{where}: a context asked {question.name} for a second time answers otherwise")
        for beam in range(BEAMS if answer.ndim > 2 else 0):
            alone = probe.ask(context, question.of(everyone, [beam]))
            require(close(answer[:, [beam]], alone), f"{where}: what a beam is answered depends on the other beams")
        for place, slot in enumerate(question.slots):
            alone = probe.ask(context, replace(question, slots=(slot,)))
            require(close(answer[:, :, [place]], alone), f"{where}: slot {slot} asked for alone is answered otherwise")
    require(bool((items == histories.items).all()), f"{where}: `begin` or an answer changed the histories")
    for users in ([2, 0, 4, 1, 3], *([user] for user in everyone)):
        part = model.begin(histories[users], probe.slots)
        for question, answer in zip(questions, answers, strict=True):
            alone = probe.ask(part, question.of(users, list(range(BEAMS))))
            n_items = int((histories.items[users[0]] >= 0).sum())
            who = f"a user with {n_items} history items, alone," if len(users) == 1 else "a batch in another order"
            require(close(answer[users], alone), f"{where}: {who} is answered otherwise than in the whole batch")


def _histories(data: Dataset) -> Histories:
    """Five test users with histories of different length: the longest, two of the others, and two cut short."""
    test = data.test().histories
    longest_first = np.argsort(-(test.items >= 0).sum(axis=1), kind="stable")
    rows = longest_first[[0, len(test) // 2, len(test) - 1, 0, 1]]
    items = test.items[rows]
    items[3, :-1] = -1
    items[4, :-3] = -1
    return Histories(items, test.users[[0, 1, 2, 3, 4]])
