"""For authors of decoders and backbones: conformance checks, models with known log-probabilities, small canvases.

A complete test of a decoder and of a backbone:

    from mindrec_bench.testing import check_backbone, check_decoder

    def test_decoder_conforms():
        check_decoder(MyDecoder())

    def test_backbone_conforms():
        check_backbone(MyBackbone(epochs=2))
"""

from .backbones import check_backbone
from .decoders import DecodingProblem, check_decoder, check_ranking
from .models import CatalogueModel, TabularContext, TabularDenoiser, catalogue_model, make_canvas, random_space

__all__ = [
    "CatalogueModel",
    "DecodingProblem",
    "TabularContext",
    "TabularDenoiser",
    "catalogue_model",
    "check_backbone",
    "check_decoder",
    "check_ranking",
    "make_canvas",
    "random_space",
]
