"""`rank-items`: the items of the catalogue by the model's own probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Canvas, Capability, ItemsContext, Ranking
from mindrec_bench.plugins.options import option

from .search.options import ItemScore, Normalise, OrderOption

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RankItems:
    """The most probable items of the catalogue: the reference for what a search on the same model loses.

    A model that scores every item gives the exact b best. A causal model too, by best-first search over the prefixes of
    the catalogue. A masked model gives an item a probability over all reveal orders; the items with the best first
    scores are scored exactly, the others are absent (docs/ranking.md).

    Forward passes: one for a model that scores items. Example: `mrbench run --model markov --decoder rank-items`.
    """

    needs: ClassVar[tuple[Capability, ...]] = ("items", "denoiser", "causal")

    score: ItemScore = option(
        "marginal",
        help="`marginal`: the probability over all reveal orders; `mean-log`: the mean over orders of the "
        "log-probability; `order`: one order.",
        capabilities=("denoiser",),
    )
    order: OrderOption = option(
        "left-to-right",
        help="with score=order: which one; `entropy` fills the slot of lowest entropy next.",
        capabilities=("denoiser",),
    )
    shortlist: int | Literal["all"] = option(
        60,
        help="how many items come into question, those with the best sums of log-marginals, and at least the beam.",
        capabilities=("denoiser",),
    )
    finalists: int | Literal["all"] = option(
        "all",
        help="of the shortlist, so many are scored exactly, and at least the beam: the best by one revealed code, "
        "averaged over, with the other codes independent of each other.",
        capabilities=("denoiser",),
    )
    certify: bool = option(
        False,
        help="score items until it is proved that no other is among the b best, or `states` are used up.",
        capabilities=("denoiser",),
    )
    states: int = option(
        1500, help="with certify=yes: the most states of a user to ask the model for.", capabilities=("denoiser",)
    )
    normalise: Normalise = option(
        "vocabulary",
        help="what a slot's probabilities sum to 1 over: the model's whole `vocabulary`, or the `slot`'s own codes.",
        capabilities=("denoiser", "causal"),
    )

    def __post_init__(self) -> None:
        if self.shortlist != "all" and self.shortlist < 1:
            raise ValueError(f"shortlist is {self.shortlist}; it must be a number of items, or `all`")
        if self.finalists != "all" and self.finalists < 1:
            raise ValueError(f"finalists is {self.finalists}; it must be a number of items, or `all`")
        if self.finalists != "all" and self.score == "order":
            raise ValueError("finalists are chosen by an average over orders, which score=order has not; leave it out")
        if self.finalists != "all" and self.certify:
            raise ValueError("finalists and certify=yes are two ways to choose what is scored; give one of them")
        if self.finalists != "all" and self.shortlist != "all" and self.finalists >= self.shortlist:
            raise ValueError(
                f"finalists={self.finalists} has no effect, as shortlist={self.shortlist} has no more items; give "
                "fewer, or leave it out"
            )
        if self.states < 1:
            raise ValueError(f"states is {self.states}; it must be a number of states")
        if self.order != RankItems.order and self.score != "order":
            raise ValueError(f"order={self.order} has no effect without score=order; add it, or leave out order")
        if self.states != RankItems.states and not self.certify:
            raise ValueError(f"states={self.states} has no effect without certify=yes; add it, or leave out states")
        if self.certify and self.score == "order" and self.order == "entropy":
            raise ValueError("certify=yes has no bounds for order=entropy; allowed: left-to-right, reverse")

    def decode(self, context: Any, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`. Only items that match `canvas.start` and are not excluded are ranked."""
        if canvas.capability == "items":
            return _rank_scored_items(context, canvas, beam)
        if canvas.capability == "causal":
            from .search.best_first import best_first

            return best_first(context, canvas, beam=beam, normalise=self.normalise)
        from .search.item_ranking import rank_catalogue
        from .search.item_scores import ItemScorer

        return rank_catalogue(
            ItemScorer(context, canvas, self.score, self.order, self.normalise),
            beam=beam,
            shortlist=None if self.shortlist == "all" else self.shortlist,
            finalists=None if self.finalists == "all" else self.finalists,
            states=self.states if self.certify else None,
        )

    def score_items(self, context: Any, canvas: Canvas, codes: Tensor) -> Tensor:
        """See `ItemRanker.score_items`, for masked and causal models; given codes replace those of the items."""
        from .search.distinct_states import fill_given
        from .search.item_scores import NextCodeAsDenoiser, is_padding, item_scores

        codes = fill_given(codes, canvas.start).masked_fill(is_padding(codes)[..., None], MASK)
        if canvas.capability == "causal":
            return item_scores(NextCodeAsDenoiser(context), canvas, codes, score="order", normalise=self.normalise)
        return item_scores(context, canvas, codes, score=self.score, order=self.order, normalise=self.normalise)


def _rank_scored_items(context: ItemsContext, canvas: Canvas, beam: int) -> Ranking:
    """Items by their probability among those that match `canvas.start` and are not excluded."""
    import torch

    from mindrec_bench.core.lifting import renormalise

    from .search.results import make_ranking
    from .search.scores import stable_topk

    scores = context.log_probs().double()
    for start_codes, item_codes in zip(canvas.start.T, canvas.items.T, strict=True):
        matches = (start_codes[:, None] == MASK) | (start_codes[:, None] == item_codes)
        scores = scores.where(matches, -torch.inf)
    if canvas.excluded is not None:
        scores = scores.masked_fill(canvas.excluded.among(len(canvas.items)), -torch.inf)
    scores = renormalise(scores)
    items = stable_topk(scores, beam)
    return make_ranking(canvas.items[items], scores.gather(1, items), beam, items)
