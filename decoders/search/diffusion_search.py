"""The diffusion search: one loop that every diffusion decoder configures (paper Algorithm 1; semantics section 4).

Categories come first, from left to right; then the SID slots, in the stages of an expansion, pruned by a rule. Each
step is one forward pass for all beams of all users: at most L + M a batch. Inside a step nothing is copied between host
and device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.constraint import StageConstraint
from mindrec_bench.core.lifting import renormalised
from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking
from mindrec_bench.core.timing import timed_section

from .expansion import Answers, Beams, Expansion, Stage, left_to_right
from .options import Normalise, Propose
from .pruning import Prune, standard
from .results import ranking
from .sampling import perturbed
from .scores import best


def diffusion_search(
    context: DenoiserContext,
    canvas: Canvas,
    *,
    beam: int,
    expand: Expansion,
    prune: Prune,
    normalise: Normalise = "vocabulary",
    propose: Propose = "top",
) -> Ranking:
    """Fill the canvas by beam search over a masked model.

    Args:
        context: the model, with the users' histories read.
        canvas: what to fill; slots that `canvas.start` reveals stay as they are.
        beam: b, the number of beams kept and of results returned.
        expand: the stages that fill the SID slots.
        prune: the rule after each of these; category steps keep the b best.
        normalise: `slot` renormalises each distribution over the slot's own codes.
        propose: `sample` draws each beam's proposals, seeded.

    Raises:
        ValueError: the users of the batch have different slots revealed.
    """
    categories, sids = _masked_slots(canvas)
    stages: list[tuple[Stage, Prune]] = [(stage, standard) for stage in left_to_right(categories)]
    stages += [(stage, prune) for stage in expand(sids)]
    device = canvas.start.device
    asked = [torch.tensor(stage.slots, device=device) for stage, _ in stages]
    reaches = _reaches(canvas, [stage.slots for stage, _ in stages])
    last_code = torch.tensor(canvas.sizes, device=device) - 1

    beams = Beams(canvas.start[:, None], torch.zeros(len(canvas.start), 1, dtype=torch.float64, device=device))
    for step, ((stage, rule), slots, reach) in enumerate(zip(stages, asked, reaches, strict=True)):
        log_probs = context.log_probs(beams.codes, stage.slots).double()
        if normalise == "slot":
            log_probs = renormalised(log_probs)
        masked = beams.codes[:, :, slots] == MASK
        log_probs = log_probs.where(masked[..., None], -torch.inf)
        if reach is not None:
            log_probs = log_probs.where(reach.allowed(beams.codes), -torch.inf)
        preference = log_probs if propose == "top" else perturbed(log_probs, slots, canvas, step=step, beam=beam)
        candidates = stage.candidates(beams, Answers(slots, log_probs, preference, reach), beam)
        with timed_section("pruning"):
            beams = _survivors(candidates, rule(candidates, beam=beam, n_categories=canvas.n_categories), beam)
        # A candidate of score -inf may hold a code that its slot does not have; the model must be able to read it.
        beams = Beams(beams.codes.minimum(last_code), beams.scores)
    return ranking(beams.codes, beams.scores, beam)


def _masked_slots(canvas: Canvas) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The category slots and the SID slots that are to be filled."""
    masked = canvas.start == MASK
    if not torch.equal(masked.all(dim=0), masked.any(dim=0)):
        raise ValueError("the users of one batch must have the same slots revealed in canvas.start")
    slots = masked.all(dim=0).nonzero()[:, 0].tolist()
    first = canvas.n_categories
    return tuple(slot for slot in slots if slot < first), tuple(slot for slot in slots if slot >= first)


def _reaches(canvas: Canvas, asked: Sequence[tuple[int, ...]]) -> list[StageConstraint | None]:
    """The constraint at each stage: a slot not asked for is revealed unless a later stage asks for it."""
    if canvas.constraint is None:
        return [None] * len(asked)
    reaches: list[StageConstraint | None] = []
    for step, slots in enumerate(asked):
        open_or_later = set().union(*asked[step:])
        known = [slot for slot in range(len(canvas.sizes)) if slot not in open_or_later]
        reaches.append(canvas.constraint.at(known, slots))
    return reaches


def _survivors(candidates: Beams, scores: Tensor, beam: int) -> Beams:
    """The b best candidates by their new scores, best first."""
    chosen = best(scores, beam)
    codes = candidates.codes.gather(1, chosen[:, :, None].expand(-1, -1, candidates.codes.shape[2]))
    return Beams(codes, scores.gather(1, chosen))
