"""One user of a run in detail: history, the path of every result, and what became of the true item.

Nothing of it is part of a run: it is computed again from the fitted model, and kept beside the run on request
(`mrbench run --trace`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import MASK, CodeSpace, Int
from ..core.dataset import Examples
from ..core.protocols import Ranking
from ..data.item_names import ItemNames
from ..errors import DataError, UsageError
from ..io.atomic import remove_path
from ..io.manifest import read_manifest, write_manifest
from ..io.schema import read_strictly
from ..store.runs import RANKINGS, Run
from .batch_decoder import BatchDecoder, Meter
from .code_meanings import CodeMeanings, Meaning
from .context import RunContext
from .search_paths import Path as SearchPath
from .search_paths import Pruned, RecordingDecoder, SearchPaths, search_paths

TRACES = "traces.json"
"""The file in a run's folder with the traces that were kept: own id of a user -> trace, and the rankings' hash."""

_N_EXACT = 10

logger = logging.getLogger(__name__)


class DamagedTracesError(DataError):
    """A file of traces is damaged, or another version wrote it."""


@dataclass(frozen=True)
class NamedItem:
    """An item: its own id, and its title or else its categories ('' where the data has neither)."""

    item: str
    words: str


@dataclass(frozen=True)
class RevealedCode:
    """A code that a beam revealed.

    Attributes:
        step: from 1.
        slot: `category 1`, `SID 2`, ...
        code: its number, as in the data's files.
        probability: given the history and what was revealed before the step.
        meaning: of all that is revealed then.
    """

    step: int
    slot: str
    code: int
    probability: float
    meaning: Meaning


@dataclass(frozen=True)
class Result:
    """An entry of the final list.

    Attributes:
        rank: from 1.
        item: None where no item has the codes.
        score: the decoder's, a log score.
        log_prob: the sum of the log-probabilities of its path, which is the score unless the decoder changes scores;
            None where there is no path.
        hit: whether it is the true item, or has its semantic ID.
        path: first reveal first; empty where the decoder ranks items, or is no beam search.
    """

    rank: int
    item: NamedItem | None
    score: float
    log_prob: float | None
    hit: bool
    path: tuple[RevealedCode, ...]


@dataclass(frozen=True)
class PrunedAt:
    """Where the search lost the codes of the true item.

    Attributes:
        step: from 1.
        log_prob: of its best continuation in this step.
        reveals: the codes that this continuation reveals in the step.
        ranks: of each of these codes, its rank in its slot, from 1.
        kept_log_prob: of the beam that was kept last.
        kept_reveals: what that beam revealed in the step.
    """

    step: int
    log_prob: float
    reveals: tuple[RevealedCode, ...]
    ranks: tuple[int, ...]
    kept_log_prob: float
    kept_reveals: tuple[RevealedCode, ...]


@dataclass(frozen=True)
class ExactRanking:
    """What a model that scores items says without a search.

    Attributes:
        rank: of the true item among the sequences of codes (or the items, where these are ranked), from 1.
        probability: of the true item.
        best: the likeliest ones with their probabilities.
    """

    rank: int
    probability: float
    best: tuple[tuple[NamedItem, float], ...]


@dataclass(frozen=True)
class UserTrace:
    """One user of a run.

    Attributes:
        run: the run's id.
        user: own id.
        history: what the model has seen, the latest item last.
        target: the true next item.
        target_codes: its codes on the canvas.
        hit_rank: from 1; 0 for a miss.
        steps: of the search; 0 where there is none to follow.
        pruned: where the true item was lost; None where it was kept, or is not known.
        results: the final list.
        exact: None where the model does not score items.
    """

    run: str
    user: str
    history: tuple[NamedItem, ...]
    target: NamedItem
    target_codes: tuple[int, ...]
    hit_rank: int
    steps: int
    pruned: PrunedAt | None
    results: tuple[Result, ...]
    exact: ExactRanking | None = None


def keep_traces(run: Run, traces: Iterable[UserTrace]) -> Path:
    """Write traces beside a run; those of other users stay, unless the file is damaged, which is logged.

    Returns:
        The file.

    Raises:
        DataError: the file that is there can't be read.
        MrbenchError: it can't be written.
    """
    path = run.path / TRACES
    try:
        kept = read_traces(run)
    except DamagedTracesError as error:
        logger.warning(f"{error}")
        remove_path(path)
        kept = {}
    kept.update({trace.user: trace for trace in traces})
    content = {user: asdict(trace) for user, trace in kept.items()}
    write_manifest(path, {"traces": content, "rankings": run.files.get(RANKINGS)}, ())
    return path


def read_traces(run: Run) -> dict[str, UserTrace]:
    """The traces that were kept of a run, by the users' own ids; none where the run was computed again since.

    Raises:
        DamagedTracesError: the file is damaged, or another version wrote it.
        DataError: it can't be read.
    """
    path = run.path / TRACES
    content = read_manifest(path, check=(), warn=False)
    try:
        if content is None:
            if path.exists():
                raise ValueError
            return {}
        if content["rankings"] != run.files.get(RANKINGS):
            return {}
        return {user: read_strictly(UserTrace, values) for user, values in content["traces"].items()}
    except (ValueError, KeyError) as error:
        raise DamagedTracesError(
            f"{path} is damaged or of another version; keep its traces again with: "
            f"{run.summary.command} --trace USER,USER"
        ) from error


def trace_users(context: RunContext, users: Sequence[str]) -> Iterator[UserTrace]:
    """Decode users of a run again, one at a time, and follow the search.

    Args:
        context: the run, with its fitted model in the run store.
        users: own ids.

    Raises:
        UsageError: there is no such user, or nothing is held out for one.
    """
    names = ItemNames(context.dataset)
    held_out = context.dataset.held_out(context.spec.split)
    rows = [_row(context, held_out, names, user) for user in users]
    weights_id = context.model_folder.weights_id() if context.backbone.sizes else ""
    decoder = context.batch_decoder(context.load_model(weights_id), beam=context.spec.beam)
    id_name = "ID" if decoder.unique_codes else "SID"
    meanings = CodeMeanings(context.dataset, decoder.space, decoder.slots, id_name)
    for user, row in zip(users, rows, strict=True):
        one = Examples(held_out.histories[row : row + 1], held_out.targets[row : row + 1])
        yield _Tracer(context, decoder, names, meanings, one).trace(user)


def _row(context: RunContext, held_out: Examples, names: ItemNames, user: str) -> int:
    number = context.dataset.users[names.find_user(user)]
    rows = np.flatnonzero(held_out.histories.users == number)
    if not len(rows):
        raise UsageError(f"user '{user}' of {context.dataset.name} has no held-out item; choose another user")
    return int(rows[0])


@dataclass(frozen=True, eq=False)
class _Tracer:
    """Traces one user."""

    context: RunContext
    decoder: BatchDecoder
    names: ItemNames
    meanings: CodeMeanings
    example: Examples

    def trace(self, user: str) -> UserTrace:
        recording = RecordingDecoder(self.decoder.decoder)
        decoder = replace(self.decoder, decoder=recording)  # type: ignore[arg-type]  # `needs` is that of its decoder
        context, canvas, ranking = decoder.decode_batch(self.example, Meter())
        length = int(ranking.lengths[0])
        codes, scores = ranking.codes[0, :length].cpu().numpy(), ranking.scores[0, :length].tolist()
        items = self._items(ranking, codes)
        hits = self._hits(items, codes)
        start = canvas.start[0].cpu().numpy()
        paths = search_paths(recording.calls, codes)
        found = paths.paths[-1] if paths else [None] * length
        target = int(self.example.targets[0])
        target_codes = self._space.item_codes[target, list(self.decoder.slots)]
        return UserTrace(
            run=self.context.spec.id,
            user=user,
            history=tuple(self._named(item) for item in self.example.histories.items[0].tolist() if item >= 0),
            target=self._named(target),
            target_codes=tuple(self._space.to_numbers(target_codes, self.decoder.slots).tolist()),
            hit_rank=int(hits.argmax()) + 1 if hits.any() else 0,
            steps=paths.n_steps if paths else 0,
            pruned=self._pruned(paths, target_codes, start),
            results=tuple(
                Result(
                    rank + 1,
                    self._named(items[rank]) if items[rank] >= 0 else None,
                    scores[rank],
                    None if path is None else path.log_prob,
                    bool(hits[rank]),
                    () if path is None else self._words(path, start),
                )
                for rank, path in enumerate(found)
            ),
            exact=self._exact(context, start, target),
        )

    @property
    def _space(self) -> CodeSpace:
        return self.decoder.space

    def _named(self, item: int) -> NamedItem:
        return NamedItem(self.names.ids[item], self.meanings.item_words(item))

    def _sids(self, codes: Int) -> Int:
        """The SID codes of sequences on the canvas."""
        columns = [column for column, slot in enumerate(self.decoder.slots) if slot >= self._space.n_categories]
        return codes[:, columns]

    def _items(self, ranking: Ranking, codes: Int) -> list[int]:
        """The item of each result, as `result_items` finds it."""
        if ranking.items is not None:
            return ranking.items[0, : len(codes)].tolist()
        return self._space.sid_index.find_items(self._sids(codes)).tolist()

    def _hits(self, items: Sequence[int], codes: Int) -> NDArray[np.bool_]:
        sequences = self._space.sid_index.item_sequences
        true = sequences[self.example.targets[0]]
        return np.array([item >= 0 and sequences[item] == true for item in items], dtype=bool)

    def _words(self, path: SearchPath, start: Int, from_step: int = 0) -> tuple[RevealedCode, ...]:
        """The reveals of a path from a step on."""
        codes, revealed = start.copy(), []
        for reveal in path.reveals:
            codes[reveal.slot] = reveal.code
            if reveal.step >= from_step:
                revealed.append(
                    RevealedCode(
                        reveal.step + 1,
                        self.meanings.slot_name(reveal.slot),
                        self.meanings.number(reveal.slot, reveal.code),
                        float(np.exp(reveal.log_prob)),
                        self.meanings.meaning(codes, reveal.slot),
                    )
                )
        return tuple(revealed)

    def _pruned(self, paths: SearchPaths | None, target_codes: Int, start: Int) -> PrunedAt | None:
        found = paths.find(target_codes) if paths else None
        if not isinstance(found, Pruned):
            return None
        return PrunedAt(
            found.step + 1,
            found.lost.path.log_prob,
            self._words(found.lost.path, start, found.step),
            found.lost.ranks,
            found.last_kept.log_prob,
            self._words(found.last_kept, start, found.step),
        )

    def _exact(self, context: Any, start: Int, target: int) -> ExactRanking | None:
        from ..core.lifting import item_weights

        weights = item_weights(context)
        if weights is None:
            return None
        item_codes = self._space.item_codes[:, list(self.decoder.slots)]
        probs = weights[0].numpy() * ((item_codes == start) | (start == MASK)).all(axis=1)
        probs = probs / max(probs.sum(), np.finfo(float).tiny)
        first_items = np.arange(len(probs))
        row = target
        if self.decoder.capability != "items":
            index = self._space.index(self.decoder.slots)
            probs = np.bincount(index.item_sequences, probs, minlength=index.n_sequences)
            first_items, row = index.first_items, int(index.item_sequences[target])
        best = np.argsort(-probs, kind="stable")[:_N_EXACT]
        return ExactRanking(
            int((probs > probs[row]).sum()) + 1,
            float(probs[row]),
            tuple((self._named(int(first_items[i])), float(probs[i])) for i in best if probs[i] > 0),
        )
