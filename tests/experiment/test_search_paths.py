"""The paths of a search, against what the search asked its model, on a model whose answers depend on the order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.dataset import Histories
from mindrec_bench.experiment.search_paths import Pruned, RecordingDecoder, search_paths
from mindrec_bench.plugins import registry
from mindrec_bench.testing import TabularDenoiser, make_canvas, random_space
from mindrec_decoders.search.rescoring import RecordingContext

SIZES, BEAM = (3, 4, 3), 3
EXACT = ("bs", "dbs-dedup", "adaptive", "ar-beam", "n-per-step:n=2,prune=bs", "bs:normalise=slot", "bs:propose=sample")
"""Decoders whose scores are sums of log-probabilities."""

BY_PROBABILITY = ("bs", "bs:normalise=slot", "ar-beam", "n-per-step:n=2,prune=bs")
"""Decoders that keep the most probable beams."""

CHANGED = ("dbs-penalty", "adaptive:reverse=yes", "adaptive:rescore=2")
"""Decoders that change them."""


class AsCausal:
    """The denoiser's answers for the next slot."""

    def __init__(self, context):
        self.context = context

    def next_log_probs(self, prefix):
        slot = prefix.shape[2]
        revealed = torch.nn.functional.pad(prefix, (0, len(SIZES) - slot), value=MASK)
        return self.context.log_probs(revealed, (slot,))[:, :, 0]


@pytest.fixture(params=[(name, seed) for name in (*EXACT, *CHANGED) for seed in (0, 1)], ids="{0[0]} {0[1]}".format)
def search(request):
    """The decoder's name, its ranking, the paths, and what an independent recorder saw."""
    name, seed = request.param
    _, decoder = registry.make("decoder", name)
    space = random_space(SIZES, n_items=20, seed=seed)
    model = TabularDenoiser.random(SIZES, seed=seed)
    context = RecordingContext(
        model.begin(Histories(np.zeros((1, 2), dtype=np.int64), np.zeros(1, dtype=np.int64)), ())
    )
    recording = RecordingDecoder(decoder)
    canvas = make_canvas(space, users=np.zeros(1, dtype=np.int64))
    with torch.inference_mode():
        ranking = recording.decode(AsCausal(context) if decoder.needs == "causal" else context, canvas, beam=BEAM)
    results = ranking.codes[0, : int(ranking.lengths[0])].numpy()
    return name, ranking, results, search_paths(recording.calls, results), context.calls


def test_probabilities_along_a_path_multiply_to_the_score(search):
    name, ranking, results, paths, _ = search
    assert len(results) == BEAM
    for row, path in enumerate(paths.paths[-1]):
        revealed = {reveal.slot: reveal.code for reveal in path.reveals}
        assert [revealed[slot] for slot in range(len(SIZES))] == results[row].tolist()
        assert path.log_prob == pytest.approx(sum(reveal.log_prob for reveal in path.reveals))
        if name in EXACT:
            assert path.log_prob == pytest.approx(float(ranking.scores[0, row]), abs=1e-9)


def test_a_sequence_is_pruned_after_the_last_step_with_a_beam_that_can_become_it(search):
    name, _, results, paths, calls = search
    states = [call.states[0].numpy() for call in calls[1 : paths.n_steps]] + [results]
    pruned = 0
    for sequence in itertools.product(*map(range, SIZES)):
        fits = [((codes == sequence) | (codes == MASK)).all(axis=1).any() for codes in states]
        found = paths.find(np.array(sequence))
        if all(fits):
            assert found == "kept"
            continue
        assert isinstance(found, Pruned)
        assert found.step == fits.index(False)
        steps = {reveal.step for reveal in found.lost.path.reveals}
        assert max(steps) == max(reveal.step for reveal in found.last_kept.reveals) == found.step
        assert all(rank >= 1 for rank in found.lost.ranks)
        if name in BY_PROBABILITY:
            assert found.lost.path.log_prob <= found.last_kept.log_prob + 1e-9
        pruned += 1
    assert pruned > 20


def test_other_questions_than_those_of_a_search_have_no_paths():
    assert search_paths([], np.zeros((1, 3), dtype=np.int64)) is None
