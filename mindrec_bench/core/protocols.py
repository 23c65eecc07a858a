"""The protocols between models and decoders: model, contexts, canvas, decoder and ranking.

A loaded `Model` opens a context for a batch of users (the histories are read once there), and a decoder asks that
context for log-probabilities until its canvas is full. A decoder sees no prompt, no tokenizer and no vocabulary but the
codes of the slots.

| capability | what a context answers | shapes |
| --- | --- | --- |
| `denoiser` | log p(code in slot j, given history and revealed codes) | (B, K, T) -> (B, K, S, V) |
| `causal` | log p(next code, given history and the codes so far) | (B, K, t) -> (B, K, V) |
| `items` | log p(item, given history) | -> (B, N) |

This module imports no torch, so that listings and tables stay quick; neither should the module of a registered class
(import torch inside its methods).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:  # listings start more quickly without NumPy
    from torch import Tensor

    from .constraint import CatalogueConstraint
    from .dataset import Histories
    from .exclusion import ExcludedItems

Capability = Literal["denoiser", "causal", "items"]
"""What a context answers."""

Needs = Capability | tuple[Capability, ...]
"""What a decoder decodes from: one capability, or several, of which a model is asked for the first that it answers."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """What a decoder returns for B users, best first.

    Attributes:
        codes: code indices on the canvas's slots, -1 in the padding. Shape: (B, b, T), int64
        scores: log scores, -inf in the padding. Shape: (B, b), float64
        lengths: how many of the b entries are results, not padding. Shape: (B,), int64
        items: the item of each result where the decoder ranks items and not codes, else None. Shape: (B, b), int64
        certified: how many of the first results are proved to be the model's best (b where all are, however few there
            are); None where the decoder proves nothing. Shape: (B,), int64
    """

    codes: Tensor
    scores: Tensor
    lengths: Tensor
    items: Tensor | None = None
    certified: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Canvas:
    """The slots a decoder fills for a batch of users, and what may go into them.

    Attributes:
        start: codes that are given, `MASK` elsewhere. Shape: (B, T), int64
        sizes: vocabulary size of each slot of the canvas; V = max(sizes).
        n_categories: how many leading slots are category slots.
        items: code indices of the catalogue's items on these slots. Shape: (N, T), int64
        users: user ids, to seed noise that does not depend on the batch. Shape: (B,), int64
        seed: the run's seed.
        constraint: what keeps a catalogue item reachable, or None where a slot may have any of its codes.
        excluded: what is never a result, or None where anything may be.
        capability: what the context answers; of interest to decoders that take several.
    """

    start: Tensor
    sizes: tuple[int, ...]
    n_categories: int
    items: Tensor
    users: Tensor
    seed: int = 42
    constraint: CatalogueConstraint | None = None
    excluded: ExcludedItems | None = None
    capability: Capability = "denoiser"


class ItemsContext(Protocol):
    """What an item-scoring model answers for a batch of users."""

    def log_probs(self) -> Tensor:
        """log p(item | history), normalised over the catalogue, -inf where p = 0. Shape: (B, N), float64"""
        ...


class DenoiserContext(Protocol):
    """What a masked model answers for a batch of users."""

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """log p(code in slot | history, revealed), for the requested slots.

        Args:
            revealed: code indices, `MASK` where nothing is revealed. Shape: (B, K, T), int64
            slots: the requested slots, as positions on the canvas; an entry for a slot that a beam has revealed is
                unspecified.

        Returns:
            Normalised over the model's whole vocabulary, -inf outside a slot's vocabulary. Shape: (B, K, S, V),
            float32 for networks, float64 for exact models.
        """
        ...


class CausalContext(Protocol):
    """What a left-to-right model answers for a batch of users."""

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """log p(code in slot t | history, prefix), -inf outside slot t's codes. Shape: (B, K, t), int64 -> (B, K, V)"""
        ...


class Model(Protocol):
    """A fitted backbone, ready for inference.

    Where the backbone declares `model_codes`, its model also has an attribute `code_space`: a `CodeSpace` without
    category slots over the same items, in which no two items have the same codes. Canvas, constraint and results then
    use its slots. The code number -1 says that an ID ends before that slot.
    """

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> Any:
        """Read the histories once and return the context of the backbone's capability.

        Args:
            histories: a batch of users.
            slots: the slots of the `CodeSpace` that make up the canvas, in this order; no other is part of the input.
        """
        ...


class Decoder(Protocol):
    """A registered decoder: a frozen dataclass whose fields are its options.

    Attributes:
        needs: the capability of the contexts that it decodes from, or several; `Canvas.capability` then says which of
            them a context has.
    """

    needs: ClassVar[Needs]

    def decode(self, context: Any, canvas: Canvas, *, beam: int) -> Ranking:
        """Fill the canvas for every user of the batch and return the `beam` best results, best first.

        A user's results do not depend on the other users of the batch. Fewer than `beam` results are padded.
        """
        ...


@runtime_checkable
class ItemRanker(Decoder, Protocol):
    """A decoder that ranks the items of the catalogue by a score of each: what other decoders may be measured by."""

    def score_items(self, context: Any, canvas: Canvas, codes: Tensor) -> Tensor:
        """The log score that `decode` ranks these items by.

        Args:
            context: as in `decode`.
            canvas: as in `decode`.
            codes: the codes of items of the catalogue, `MASK` in the padding. Shape: (B, K, T), int64

        Returns:
            -inf in the padding. Shape: (B, K), float64
        """
        ...
