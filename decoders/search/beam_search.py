"""The beam search behind every decoder that fills slots (paper Algorithm 1; docs/semantics.md, Decoding).

Category slots come first, from left to right; then the SID slots, in the steps of an expansion, each followed by a
pruning rule. A step is one forward pass for all beams of all users: at most one per masked slot. The last step proposes
no sequence that the canvas excludes. Inside a step nothing is copied between host and device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.constraint import StageConstraint
from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking
from mindrec_bench.core.timing import timed_section

from .expansion import EXPANSIONS, Expansion, Hypotheses, RevealStep, StageScores, left_to_right
from .options import ExpansionName, Normalise, Propose, PruningName
from .pruning import PRUNING_RULES, PruningRule, standard
from .results import make_ranking
from .sampling import perturb
from .scores import as_scores, stable_topk


def beam_search(
    context: DenoiserContext,
    canvas: Canvas,
    *,
    beam: int,
    expansion: ExpansionName | Expansion,
    pruning: PruningName | PruningRule,
    normalise: Normalise = "vocabulary",
    propose: Propose = "top",
) -> Ranking:
    """Fill the canvas by beam search.

    Args:
        context: the model, with the users' histories encoded.
        canvas: what to fill; slots that `canvas.start` reveals stay as they are.
        beam: b, the number of beams kept and of results returned.
        expansion: the steps that fill the SID slots, or their name.
        pruning: the rule after each of these steps, or its name; category steps keep the b best.
        normalise: `slot` renormalises each distribution over the slot's own codes.
        propose: `sample` draws each beam's proposals, seeded.

    Raises:
        ValueError: the users of the batch have different slots revealed.
        KeyError: there is no expansion or pruning rule of this name.
    """
    expand = EXPANSIONS[expansion] if isinstance(expansion, str) else expansion
    prune = PRUNING_RULES[pruning] if isinstance(pruning, str) else pruning
    category_slots, sid_slots = masked_slots(canvas)
    steps: list[tuple[RevealStep, PruningRule]] = [(step, standard) for step in left_to_right(category_slots)]
    steps += [(step, prune) for step in expand(sid_slots)]
    device = canvas.start.device
    slots_of_steps = [torch.tensor(step.slots, device=device) for step, _ in steps]
    constraints = _constraints(canvas, [step.slots for step, _ in steps])
    last_code = torch.tensor(canvas.sizes, device=device) - 1

    beams = Hypotheses(canvas.start[:, None], torch.zeros(len(canvas.start), 1, dtype=torch.float64, device=device))
    for number, ((step, rule), slots, constraint) in enumerate(zip(steps, slots_of_steps, constraints, strict=True)):
        log_probs = as_scores(context.log_probs(beams.codes, step.slots), normalise)
        masked = beams.codes[:, :, slots] == MASK
        log_probs = log_probs.where(masked[..., None], -torch.inf)
        if constraint is not None:
            log_probs = log_probs.where(constraint.allowed(beams.codes), -torch.inf)
        excluded = canvas.excluded if number == len(steps) - 1 else None
        if excluded is not None:
            log_probs = log_probs.where(excluded.allowed(beams.codes, slots), -torch.inf)
        preference = log_probs if propose == "top" else perturb(log_probs, slots, canvas, step=number, beam=beam)
        candidates = step.candidates(beams, StageScores(slots, log_probs, preference, constraint, excluded), beam)
        with timed_section("pruning"):
            beams = _survivors(candidates, rule(candidates, beam=beam, n_categories=canvas.n_categories), beam)
        # A candidate of score -inf may hold a code that its slot does not have; the model must be able to read it.
        beams = Hypotheses(beams.codes.minimum(last_code), beams.scores)
    return make_ranking(beams.codes, beams.scores, beam)


def masked_slots(canvas: Canvas) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The category slots and the SID slots that are to be filled."""
    masked = canvas.start == MASK
    if not torch.equal(masked.all(dim=0), masked.any(dim=0)):
        raise ValueError("the users of one batch must have the same slots revealed in canvas.start")
    slots = masked.all(dim=0).nonzero()[:, 0].tolist()
    n_categories = canvas.n_categories
    return tuple(slot for slot in slots if slot < n_categories), tuple(slot for slot in slots if slot >= n_categories)


def _constraints(canvas: Canvas, slots_of_steps: Sequence[tuple[int, ...]]) -> list[StageConstraint | None]:
    """The catalogue constraint at each step: a slot is revealed unless this step or a later one fills it."""
    if canvas.constraint is None:
        return [None] * len(slots_of_steps)
    constraints: list[StageConstraint | None] = []
    for number, slots in enumerate(slots_of_steps):
        open_or_later = set().union(*slots_of_steps[number:])
        revealed = [slot for slot in range(len(canvas.sizes)) if slot not in open_or_later]
        constraints.append(canvas.constraint.at(revealed, slots, canvas.excluded))
    return constraints


def _survivors(candidates: Hypotheses, scores: Tensor, beam: int) -> Hypotheses:
    """The b best candidates by their scores after pruning, best first."""
    top = stable_topk(scores, beam)
    codes = candidates.codes.gather(1, top[:, :, None].expand(-1, -1, candidates.codes.shape[2]))
    return Hypotheses(codes, scores.gather(1, top))
