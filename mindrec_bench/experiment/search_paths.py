"""The paths of a search, from what a decoder asked its model: which slot each beam revealed when, and what was pruned.

Nothing in a decoder knows of it: a recording context keeps every question and answer, and a beam's parent is the beam
before it that it continues. So it works for any decoder that keeps several partly filled sequences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import MASK, Int
from ..core.protocols import Canvas, Capability, Decoder, Ranking

if TYPE_CHECKING:
    from torch import Tensor

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Call:
    """One question to the model, about one user.

    Attributes:
        states: the partly filled sequences, `MASK` where nothing is revealed. Shape: (K, T)
        slots: the S slots that were asked for.
        log_probs: the answer, as the decoder's scores take it. Shape: (K, S, V)
    """

    states: Int
    slots: tuple[int, ...]
    log_probs: Float


@dataclass(frozen=True, eq=False)
class RecordingDecoder:
    """A decoder that keeps what it asks for one user. Contexts of item scores are not recorded."""

    decoder: Decoder
    calls: list[Call] = field(default_factory=list)

    @property
    def needs(self) -> Capability | tuple[Capability, ...]:
        """As the decoder."""
        return self.decoder.needs

    def decode(self, context: Any, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        by_slot = getattr(self.decoder, "normalise", "vocabulary") == "slot"
        if canvas.capability != "items":
            context = _RecordingContext(context, canvas.start.shape[1], by_slot, self.calls)
        return self.decoder.decode(context, canvas, beam=beam)


@dataclass(frozen=True, eq=False)
class _RecordingContext:
    """A denoising or causal context that records."""

    context: Any
    n_slots: int
    by_slot: bool
    calls: list[Call]

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """See `DenoiserContext.log_probs`."""
        log_probs = self.context.log_probs(revealed, slots)
        self._record(revealed, tuple(slots), log_probs)
        return log_probs

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """See `CausalContext.next_log_probs`."""
        from torch.nn.functional import pad

        log_probs = self.context.next_log_probs(prefix)
        slot = prefix.shape[2]
        self._record(pad(prefix, (0, self.n_slots - slot), value=MASK), (slot,), log_probs[:, :, None])
        return log_probs

    def _record(self, states: Tensor, slots: tuple[int, ...], log_probs: Tensor) -> None:
        from ..core.lifting import renormalise

        scores = log_probs[0].double()
        scores = renormalise(scores) if self.by_slot else scores
        self.calls.append(Call(states[0].cpu().numpy().copy(), slots, scores.cpu().numpy()))


@dataclass(frozen=True)
class Reveal:
    """A code that a beam revealed.

    Attributes:
        step: from 0.
        slot: of the canvas.
        code: its index.
        log_prob: given the history and what was revealed before the step.
    """

    step: int
    slot: int
    code: int
    log_prob: float


@dataclass(frozen=True)
class Path:
    """How a sequence was reached, first reveal first; its log-probabilities sum to `log_prob`."""

    reveals: tuple[Reveal, ...]
    log_prob: float


@dataclass(frozen=True)
class Continuation:
    """How the sequence that was looked for would have gone on.

    Attributes:
        path: to the codes of this step, those included.
        ranks: of each code of this step, its rank in its slot, from 1.
    """

    path: Path
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class Pruned:
    """Where the search lost a sequence.

    Attributes:
        step: after which no beam could become it, from 0.
        lost: its best continuation in this step; a decoder may have considered another one only.
        last_kept: the beam that was kept last.
    """

    step: int
    lost: Continuation
    last_kept: Path


@dataclass(frozen=True, eq=False)
class SearchPaths:
    """The beams of a search for one user after each step.

    Attributes:
        calls: one per step.
        codes: the beams after each step, best first. Shape of each: (K, T)
        paths: how each of them was reached, where that is known.
    """

    calls: tuple[Call, ...]
    codes: tuple[Int, ...]
    paths: tuple[tuple[Path | None, ...], ...]

    @property
    def n_steps(self) -> int:
        """How many steps the search took."""
        return len(self.calls)

    def find(self, sequence: Int) -> Pruned | Literal["kept"] | None:
        """Where a sequence was pruned; None where it was not reachable from the start. Shape: (T,)"""
        parents = ((self.calls[0].states == sequence) | (self.calls[0].states == MASK)).all(axis=1)
        if not parents.any():
            return None
        before: Sequence[Path | None] = [Path((), 0.0)] * len(parents)
        for step, (call, codes, paths) in enumerate(zip(self.calls, self.codes, self.paths, strict=True)):
            alive = ((codes == sequence) | (codes == MASK)).all(axis=1) & np.array([path is not None for path in paths])
            if not alive.any():
                kept = [path for path in paths if path is not None]
                if step == self.n_steps - 1:  # rescoring may have changed the order
                    kept.sort(key=lambda path: -path.log_prob)
                n_revealed = int((call.states[0] == MASK).sum() - (codes[0] == MASK).sum())
                lost = _best_continuation(step, call, parents, before, sequence, n_revealed)
                return None if lost is None or not kept else Pruned(step, lost, kept[-1])
            parents, before = alive, paths
        return "kept"


def search_paths(calls: Sequence[Call], results: Int) -> SearchPaths | None:
    """Follow the beams of a search.

    Args:
        calls: all that the decoder asked for one user. Those of a search reveal more and more; what comes after them,
            such as rescoring, is left out.
        results: the codes of the results. Shape: (R, T)

    Returns:
        None where the calls are those of no such search.
    """
    steps: list[Call] = []
    for call in calls:
        masked = (call.states == MASK).sum(axis=1)
        if (masked != masked[0]).any() or (steps and masked[0] >= (steps[-1].states[0] == MASK).sum()):
            break
        steps.append(call)
    if not steps or not len(results):
        return None
    codes = (*(call.states for call in steps[1:]), results)
    paths: list[tuple[Path | None, ...]] = []
    before: Sequence[Path | None] = [Path((), 0.0)] * len(steps[0].states)
    for number, (call, children) in enumerate(zip(steps, codes, strict=True)):
        paths.append(_follow(number, call, before, children))
        before = paths[-1]
    if any(path is None for path in paths[-1]):
        return None
    return SearchPaths(tuple(steps), tuple(codes), tuple(paths))


def _follow(step: int, call: Call, before: Sequence[Path | None], children: Int) -> tuple[Path | None, ...]:
    """The path of each child: through its most probable parent; of a sequence that is there n times, the n best."""
    seen: Counter[tuple[int, ...]] = Counter()
    found: list[Path | None] = []
    for child in children:
        options = []
        for row in np.flatnonzero(((call.states == MASK) | (call.states == child)).all(axis=1)).tolist():
            path = before[row]
            new = np.flatnonzero((call.states[row] == MASK) & (child != MASK)).tolist()
            if path is not None and new and set(new) <= set(call.slots):
                extended = _extend(step, call, row, path, new, child)
                if extended.log_prob > -np.inf:
                    options.append(extended)
        options.sort(key=lambda path: -path.log_prob)
        copy = seen[tuple(child.tolist())]
        seen[tuple(child.tolist())] += 1
        found.append(options[min(copy, len(options) - 1)] if options else None)
    return tuple(found)


def _extend(step: int, call: Call, row: int, path: Path, slots: Sequence[int], sequence: Int) -> Path:
    reveals = tuple(
        Reveal(step, slot, int(sequence[slot]), float(call.log_probs[row, call.slots.index(slot), sequence[slot]]))
        for slot in slots
    )
    return Path(path.reveals + reveals, path.log_prob + sum(reveal.log_prob for reveal in reveals))


def _best_continuation(
    step: int, call: Call, parents: NDArray[np.bool_], before: Sequence[Path | None], sequence: Int, n_slots: int
) -> Continuation | None:
    """The likeliest way to reveal `n_slots` more codes of a sequence."""
    options = []
    for row in np.flatnonzero(parents).tolist():
        path, columns = before[row], {slot: column for column, slot in enumerate(call.slots)}
        open_slots = [slot for slot in call.slots if call.states[row, slot] == MASK]
        if path is None:
            continue
        best = sorted(open_slots, key=lambda slot: -call.log_probs[row, columns[slot], sequence[slot]])
        chosen = sorted(best[:n_slots])
        extended = _extend(step, call, row, path, chosen, sequence)
        distributions = [call.log_probs[row, columns[slot]] for slot in chosen]
        ranks = [
            int((values > values[sequence[slot]]).sum()) + 1 for slot, values in zip(chosen, distributions, strict=True)
        ]
        options.append(Continuation(extended, tuple(ranks)))
    return max(options, key=lambda option: option.path.log_prob, default=None)
