"""What a backbone answers, what a decoder gets, and what comes back.

A backbone is a frozen dataclass of options with `fit` and `load`; the loaded `Model` opens a context for a batch of
users (the history is read once there), and a decoder asks that context for log-probabilities until its canvas is full.
A decoder sees no prompt, no tokenizer and no vocabulary but the slots' own codes.

| capability | question a context answers | shapes |
| --- | --- | --- |
| `denoiser` | log p(code in slot j, given history and revealed codes) | (B, K, T) -> (B, K, S, V) |
| `causal` | log p(next code, given history and the codes so far) | (B, K, t) -> (B, K, V) |
| `items` | log p(item, given history) | -> (B, N) |

This module imports no torch, so that listing and tables stay quick; so should the module of a registered class (import
torch inside its methods).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from .constraint import CatalogueConstraint
from .dataset import Histories

Constrain = Literal["slots", "catalogue"]


Capability = Literal["denoiser", "causal", "items"]


@dataclass(frozen=True, eq=False)
class Ranking:
    """What a decoder returns for B users, best first.

    Attributes:
        codes: code indices on the canvas's slots, -1 in the padding. Shape: (B, b, T), int64
        scores: log scores, -inf in the padding. Shape: (B, b), float64
        lengths: how many of the b are results. Shape: (B,), int64
        items: the item at each place where the decoder ranks items and not codes, else None. Shape: (B, b), int64
    """

    codes: Tensor
    scores: Tensor
    lengths: Tensor
    items: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Canvas:
    """The slots a decoder fills for a batch of users, and what may go into them.

    Attributes:
        start: codes that are given, `MASK` elsewhere. Shape: (B, T), int64
        sizes: vocabulary size of each slot of the canvas; V = max(sizes).
        n_categories: how many leading slots are category slots.
        items: code indices of the catalogue on these slots. Shape: (N, T), int64
        users: user ids, for noise that does not depend on the batch. Shape: (B,), int64
        seed: the run's seed.
        constraint: what keeps a catalogue item reachable, or None where a slot may have any of its codes.
    """

    start: Tensor
    sizes: tuple[int, ...]
    n_categories: int
    items: Tensor
    users: Tensor
    seed: int = 42
    constraint: CatalogueConstraint | None = None


class ItemsContext(Protocol):
    """Answers for item-scoring models."""

    def log_probs(self) -> Tensor:
        """log p(item | history), normalised over the catalogue, -inf where p = 0. Shape: (B, N), float64"""
        ...


class DenoiserContext(Protocol):
    """Answers for masked models."""

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """log p(code in slot | history, revealed), for the canvas slots asked for.

        Args:
            revealed: code indices, `MASK` where nothing is revealed. Shape: (B, K, T), int64
            slots: which slots of the canvas to answer; an entry for a slot that a beam has revealed is unspecified.

        Returns:
            Normalised over the model's whole vocabulary, -inf outside a slot's own codes. Shape: (B, K, S, V),
            float32 for networks, float64 for exact models.
        """
        ...


class CausalContext(Protocol):
    """Answers for left-to-right models."""

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """log p(code in slot t | history, prefix), -inf outside slot t's codes. Shape: (B, K, t), int64 -> (B, K, V)"""
        ...


class Model(Protocol):
    """A fitted backbone, ready to answer.

    Where the backbone declares `model_codes`, its model also has an attribute `code_space`: a `CodeSpace` without
    category slots over the same items, in which no two items have the same codes. Canvas, constraint and results are
    then in its slots. The code number -1 says that an ID has ended before its slot.
    """

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> Any:
        """Read the histories once and return the context of the backbone's capability.

        Args:
            histories: a batch of users.
            slots: the slots of the CodeSpace that are in the input at all; they are the canvas, in this order.
        """
        ...


class Decoder(Protocol):
    """A registered decoder: a frozen dataclass whose fields are its options.

    Attributes:
        needs: the capability it asks of a context.
    """

    needs: ClassVar[Capability]

    def decode(self, context: Any, canvas: Canvas, *, beam: int) -> Ranking:
        """Fill the canvas for every user of the batch and return the `beam` best, best first.

        The result for a user does not depend on who else is in the batch. Fewer than `beam` results are padded.
        """
        ...
