"""`tiger`: its sizes."""

from __future__ import annotations

from mindrec_baselines.t5.sizes import T5_SIZES
from mindrec_baselines.tiger import Tiger
from mindrec_bench.core.backbone import Task


def test_small_is_the_papers_configuration(chain) -> None:
    data = chain()
    config = Tiger().new_network(Task(data, data.space(categories=False), size="small", quiet=True)).t5.config
    names = ("d_model", "d_ff", "d_kv", "num_heads", "num_layers", "num_decoder_layers")
    assert [getattr(config, name) for name in names] == [128, 1024, 64, 6, 4, 4]
    assert set(T5_SIZES) == set(Tiger.sizes)
    options = Tiger().with_size_defaults("small")
    assert (options.lr, options.batch, options.epochs) == (1e-3, 1024, 200)
