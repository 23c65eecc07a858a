"""The backbone contract, checked on models that are fitted within seconds."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np
import torch

from ..core.backbone import Backbone, FitReport, Task
from ..core.code_space import CodeSpace
from ..core.dataset import Dataset, Histories
from ..core.protocols import Model
from ..data.simulation.arts_sim import ArtsSim
from ..experiment.config import AUTO
from ..plugins import registry
from ..plugins.registry import CAN_ANSWER
from .assertions import check_options, require
from .queries import N_BEAMS, ContextTester, close


def check_backbone(backbone: Backbone, *, size: str | None = None, data: Dataset | None = None) -> None:
    """Check the backbone contract: options, shapes, probabilities, determinism, resume, batch invariance, padding.

    A trained backbone is fitted three times on the CPU, one of them interrupted and continued: give it options that
    make training short, such as `epochs=2`.

    Args:
        backbone: the backbone with the options to check.
        size: one of its sizes; None: the smallest.
        data: the data to fit on and to query; None: a simulation of 30 users and 60 items.

    Raises:
        AssertionError: says in one sentence which rule is broken, and how.
    """
    _check_class(backbone)
    data = data or ArtsSim(users=30, items=60).load(None, users=None)
    size = size or next(iter(backbone.sizes), "")
    space = data.space(categories=data.categories is not None and not backbone.model_codes)
    with TemporaryDirectory() as folder:
        task = Task(data, space, size=size, quiet=True)
        fitter = _Fitter(backbone.with_size_defaults(size), task, Path(folder) / "first")
        with _Listener(backbone) as listener:
            model = fitter.fit("uninterrupted")
        name = fitter.name
        _check_model(model, fitter.tester(model), data)
        reloaded = fitter.load("uninterrupted")
        require(fitter.equal(model, reloaded), f"{name}: a second `load` of the same folder gives different results")
        if backbone.sizes:
            _check_determinism(fitter, model, listener.n_messages)
        if space.n_categories:
            where = f"{name}, without the category slots on the canvas"
            _check_model(model, ContextTester(where, backbone.capability, space, space.sid_slots), data)
            task = replace(task, space=data.space(categories=False))
            model = replace(fitter, task=task, root=Path(folder) / "no-categories").fit("uninterrupted")
            where = f"{name}, fitted without category slots"
            _check_model(model, ContextTester(where, backbone.capability, task.space, task.space.sid_slots), data)


def _check_class(backbone: Backbone) -> None:
    """Check what the registry and the command line rely on."""
    check_options(backbone)
    name, capability, sizes = type(backbone).__name__, backbone.capability, backbone.sizes
    require(capability in CAN_ANSWER, f"{name}: capability is {capability!r}, expected one of {', '.join(CAN_ANSWER)}")
    valid = isinstance(sizes, tuple) and all(isinstance(size, str) and size not in ("", AUTO) for size in sizes)
    require(valid, f"{name}: sizes is {sizes!r}, expected a tuple of names other than '' and '{AUTO}'")
    for size in sizes or ("",):
        call = f"with_size_defaults({size!r})"
        sized = backbone.with_size_defaults(size)
        require(type(sized) is type(backbone), f"{name}: {call} returns another class, {type(sized).__name__}")
        require(sized.with_size_defaults(size) == sized, f"{name}: {call} changes the options that it has filled in")
        for field in fields(backbone):  # type: ignore[arg-type]
            before, after = getattr(backbone, field.name), getattr(sized, field.name)
            require(
                before in (field.default, after),
                f"{name}: {call} changes the explicitly set {field.name}={before!r} to {after!r}",
            )


class _Interrupted(KeyboardInterrupt):
    """Interrupts a fit as Ctrl-C does."""


class _Listener(logging.Handler):
    """Counts what the packages of a backbone log in its block, which is shown nowhere, and may interrupt there.

    Args:
        backbone: the backbone; packages with registered classes are listened to as well, since it may use them.
        interrupt_after: how many messages pass before the one that interrupts; None: all.
    """

    def __init__(self, backbone: Backbone, *, interrupt_after: int | None = None) -> None:
        super().__init__()
        modules = {cls.__module__.partition(".")[0] for cls in type(backbone).__mro__} - {"builtins", "abc"}
        self.loggers = [logging.getLogger(name) for name in sorted(modules | registry.packages())]
        self.interrupt_after = interrupt_after
        self.n_messages = 0

    def __enter__(self) -> Self:
        self.before = [(logger.level, logger.propagate) for logger in self.loggers]
        for logger in self.loggers:
            logger.addHandler(self)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        return self

    def __exit__(self, *error: object) -> None:
        for logger, (level, propagate) in zip(self.loggers, self.before, strict=True):
            logger.removeHandler(self)
            logger.setLevel(level)
            logger.propagate = propagate

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self.n_messages += 1
        if self.interrupt_after is not None and self.n_messages > self.interrupt_after:
            raise _Interrupted


@dataclass(frozen=True, eq=False)
class _Fitter:
    """Fits one backbone to one task, each time in a folder of its own.

    Attributes:
        backbone: the backbone, with the defaults of the size.
        task: the task.
        root: parent of the folders.
    """

    backbone: Backbone
    task: Task
    root: Path

    @property
    def name(self) -> str:
        return type(self.backbone).__name__

    def fit(self, folder: str) -> Model:
        """Fit in this folder, or continue an interrupted fit there, and load the model."""
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        if self.backbone.sizes:
            report = self.backbone.fit(self.task, path)
            is_report = isinstance(report, FitReport)
            require(is_report, f"{self.name}: `fit` returns a {type(report).__name__}, expected a FitReport")
        return self.load(folder)

    def load(self, folder: str) -> Model:
        """Load the model that was fitted in this folder."""
        return self.backbone.load(self.task, self.root / folder)

    def tester(self, model: Model) -> ContextTester:
        """Queries all slots: those of the data, or of the model's own codes."""
        space = self.task.space
        if self.backbone.model_codes:
            space = _model_code_space(self.name, model, space.n_items)
        return ContextTester(self.name, self.backbone.capability, space, tuple(range(space.n_slots)))

    def equal(self, first: Model, second: Model) -> bool:
        """Whether two models give the same responses to the last bit."""
        tester, histories = self.tester(first), _histories(self.task.data)
        spaces = tester.space, self.tester(second).space
        arrays = [(space.item_codes, *space.numbers) for space in spaces]
        if not all(map(np.array_equal, *arrays)):
            return False
        contexts = [model.begin(histories, tester.slots) for model in (first, second)]
        return all(
            torch.equal(*(tester.run(context, query) for context in contexts))
            for query in tester.queries(len(histories))
        )


def _model_code_space(name: str, model: Model, n_items: int) -> CodeSpace:
    """The code space of a model that identifies items by its own codes, after a check."""
    space = getattr(model, "code_space", None)
    if not isinstance(space, CodeSpace):
        raise AssertionError(f"{name}: the class declares model_codes, but its model has no CodeSpace `code_space`")
    require(space.n_categories == 0, f"{name}: `code_space` has category slots")
    require(space.n_items == n_items, f"{name}: `code_space` has {space.n_items} items, but the data has {n_items}")
    unique = bool((space.find(space.item_codes) == np.arange(n_items)).all())
    require(unique, f"{name}: two items have the same codes in `code_space`")
    return space


def _check_determinism(fitter: _Fitter, model: Model, n_messages: int) -> None:
    """Check that a fit that is interrupted and called again gives the same model as an uninterrupted one.

    It is interrupted when it logs a message. A fit without messages is called again after it has finished, which
    happens when a run is killed at that moment.
    """
    with suppress(_Interrupted), _Listener(fitter.backbone, interrupt_after=n_messages // 2) as listener:
        fitter.fit("interrupted")
    if fitter.equal(model, fitter.fit("interrupted")):
        return
    # The third fit is needed only now: it shows which of two rules is broken.
    repeated = fitter.fit("repeated")
    require(fitter.equal(model, repeated), f"{fitter.name}: two fits with one seed give different results on the CPU")
    cause = "interrupted and called again" if listener.n_messages else "called again after it has finished"
    require(False, f"{fitter.name}: a `fit` that is {cause} gives different results than an uninterrupted one")


def _check_model(model: Model, tester: ContextTester, data: Dataset) -> None:
    """Check a fitted model on one canvas."""
    histories = _histories(data)
    items = histories.items.copy()
    all_users, where = list(range(len(histories))), tester.where
    context = model.begin(histories, tester.slots)
    queries = list(tester.queries(len(histories)))
    responses = [tester.run(context, query) for query in queries]
    for query, response in zip(queries, responses, strict=True):
        tester.check(response, query)
        # Up to rounding: a context may reuse what it has computed for earlier queries.
        require(
            close(response, tester.run(context, query)),
            f"{where}: the query '{query.name}' gives different results the second time",
        )
        for beam in range(N_BEAMS if response.ndim > 2 else 0):
            single_beam = tester.run(context, query.select(all_users, [beam]))
            require(close(response[:, [beam]], single_beam), f"{where}: results of a beam depend on the other beams")
        for index, slot in enumerate(query.slots):
            single_slot = tester.run(context, replace(query, slots=(slot,)))
            require(
                close(response[:, :, [index]], single_slot),
                f"{where}: results of slot {slot} depend on the other slots of the query",
            )
    require(bool((items == histories.items).all()), f"{where}: `begin` or a query changed the histories")
    for users in ([2, 0, 4, 1, 3], *([user] for user in all_users)):
        context = model.begin(histories[users], tester.slots)
        n_items = int((histories.items[users[0]] >= 0).sum())
        batch = f"a user with {n_items} history items alone" if len(users) == 1 else "the users in another order"
        for query, response in zip(queries, responses, strict=True):
            part = tester.run(context, query.select(users, list(range(N_BEAMS))))
            require(close(response[users], part), f"{where}: results depend on the batch ({batch})")


def _histories(data: Dataset) -> Histories:
    """Five test users with histories of different lengths: the longest, two others, and two truncated ones."""
    test = data.test().histories
    longest_first = np.argsort(-(test.items >= 0).sum(axis=1), kind="stable")
    rows = longest_first[[0, len(test) // 2, len(test) - 1, 0, 1]]
    items = test.items[rows]
    items[3, :-1] = -1
    items[4, :-3] = -1
    return Histories(items, test.users[[0, 1, 2, 3, 4]])
