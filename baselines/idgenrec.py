"""`idgenrec`: items named by short texts, recommended by writing the next name (Tan et al., 2024; paper 4.1).

    mrbench run --model idgenrec --decoder ar-beam --constrain catalogue

An ID generator (T5) reads what an item is called and writes its ID; a recommender (T5) reads the IDs of the history,
each with its end, and writes the next item's. They learn in alternating rounds: the generator through the frozen
recommender's loss, then new IDs, then the recommender (spec: IDGenRec). Nothing of a user but the history is shown.

The published generator starts from a T5 that was trained to write tags of articles. Here it starts by learning the
keywords of each item's title (`item_text.keywords`), unless `tagger` names such a T5. The network is in `id_network`,
IDs in `textual_ids`, the rounds in `id_rounds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.protocols import Capability
from mindrec_bench.errors import DataError, UsageError

from .training.trained_backbone import SizeDefaults, TrainedBackbone, check

if TYPE_CHECKING:
    from mindrec_bench.core.dataset import ItemTexts

    from .textual_ids.alternating_training import Step
    from .textual_ids.model import IdModel
    from .textual_ids.network import IdNetwork
    from .textual_ids.subwords import Subwords

PUBLISHED = "t5-small"
"""The size that starts from a checkpoint, and the checkpoint's id on the hub."""

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"layers": 2, "hidden": 64, "inner": 256, "key": 16, "heads": 4},
    "small": {"layers": 4, "hidden": 128, "inner": 1024, "key": 64, "heads": 6},
}
"""Those of `tiger`."""


@dataclass(frozen=True)
class Text:
    """What depends on the size beside the training options.

    Attributes:
        vocabulary: most tokens of a tokenizer that is trained.
        length: tokens that the generator reads of an item's text.
        keyword_epochs: passes over the items.
        reach: how many of a history's latest items the generator is judged by.
    """

    vocabulary: int
    length: int
    keyword_epochs: int
    reach: int


TEXTS = {
    "tiny": Text(vocabulary=1000, length=32, keyword_epochs=40, reach=1),
    "small": Text(vocabulary=8000, length=64, keyword_epochs=10, reach=2),
    PUBLISHED: Text(vocabulary=0, length=128, keyword_epochs=3, reach=10),
}

KEYWORD_BATCH = 32
"""Items a step while the generator learns keywords: a catalogue is small."""

TOKENIZER, CONFIG = "tokenizer.json", "t5.json"


@dataclass(frozen=True)
class IdGenRec(TrainedBackbone):
    """IDGenRec: one T5 names each item by a short text, another writes the name of the next; for data with item texts.

    Attributes:
        lr: peak learning rate of the recommender and of the keywords; None here and below: the size's own.
        epochs: passes of the recommender in each round.
        batch: examples a step.
        patience: epochs without a better validation loss before the learning rate falls and a phase ends.
        dropout: T5's own, in every block.
        weight_decay: of AdamW.
        shuffle: a new order each epoch; no: the order of users, as released.
        rounds: how often generator and recommender take turns.
        generator_lr: of the generator in the rounds, as released.
        generator_epochs: passes of the generator in each round.
        keywords: most words that the generator learns to write for an item.
        keyword_epochs: passes over the items before the first round.
        reach: how many of a history's latest items the generator is judged by in the rounds.
        checkpoint: a T5 for size t5-small, both parts' start: a folder, or an id on the hub.
        tagger: a T5 with the same tokens that writes tags, the generator's start in place of keywords.
    """

    rounds: int = 3
    generator_lr: float = 1e-8
    generator_epochs: int = 1
    keywords: int = 4
    keyword_epochs: int | None = None
    reach: int | None = None
    checkpoint: str | None = None
    tagger: str | None = None

    capability: ClassVar[Capability] = "causal"
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small", PUBLISHED)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        "tiny": SizeDefaults(lr=3e-3, epochs=3, batch=128, dropout=0.1, weight_decay=0.01),
        "small": SizeDefaults(lr=1e-3, epochs=10, batch=256, dropout=0.1, weight_decay=0.01),
        PUBLISHED: SizeDefaults(lr=1e-3, epochs=10, batch=64, dropout=0.1, weight_decay=0.01),
    }
    cpu_bf16: ClassVar[bool] = True
    data_parallel: ClassVar[bool] = False
    """Its phases pass weights and IDs on in files, each from the process that wrote them."""
    reads_text: ClassVar[bool] = True
    model_codes: ClassVar[str] = "a token of an item's textual ID, at its place"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rounds", "generator_epochs", "keywords", "keyword_epochs", "reach"):
            value = getattr(self, name)
            check(name, value, value is None or value >= 1, "1 or more")
        check("generator_lr", self.generator_lr, self.generator_lr > 0, "above 0")

    def auto_size(self, *, simulation: bool, device: str) -> tuple[str, str]:
        """What `--size auto` takes, and why: never a size that needs weights."""
        if simulation:
            return "tiny", "the smallest, for a simulation"
        return "small", f"the largest from scratch; {PUBLISHED} needs published weights"

    def with_size_defaults(self, size: str) -> Self:
        """The options with the size's own where they are None."""
        filled: dict[str, Any] = {"keyword_epochs": TEXTS[size].keyword_epochs, "reach": TEXTS[size].reach}
        if size == PUBLISHED:
            filled["checkpoint"] = PUBLISHED
        missing = {name: value for name, value in filled.items() if getattr(self, name) is None}
        return replace(super().with_size_defaults(size), **missing)

    def file_fingerprints(self, size: str) -> dict[str, str]:
        """What the checkpoints that the options name hold, for the identity of runs; raises what `fit` does."""
        from .checkpoints.files import MOVED, fingerprint

        self._check_size(size)
        named = (("checkpoint", self.with_size_defaults(size).checkpoint), ("tagger", self.tagger))
        return {option: fingerprint(MOVED.get(name, name)) for option, name in named if name is not None}

    def _check_size(self, size: str) -> None:
        if size != PUBLISHED and (self.checkpoint or self.tagger):
            raise UsageError(f"checkpoint and tagger are for --size {PUBLISHED}; leave them out at size {size}")

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train in alternating rounds; see `id_rounds.fit`.

        Raises:
            UsageError: a checkpoint is given for a size that reads none.
            DataError: the data has no item texts, or the checkpoint can't be read.
            MrbenchError: the folder can't be written.
        """
        from .textual_ids import alternating_training
        from .training import weights

        if report := weights.finished(folder):
            return report
        self._check_size(task.size)
        filled: Any = self.with_size_defaults(task.size)
        texts = task.data.named_texts("idgenrec")
        subwords = filled._subwords(texts, task.size, folder)
        network = filled._network_over(subwords, texts, task)
        with weights.explain_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            weights.write_text(folder / TOKENIZER, subwords.json)
            weights.write_text(folder / CONFIG, network.recommender.t5.config.to_json_string())
        return alternating_training.fit(network, filled._steps(task.size), subwords, task, folder)

    def load(self, task: Task, folder: Path) -> IdModel:
        """The recommender with the weights of the last round, and the items' IDs.

        Raises:
            DataError: they are missing or damaged, or belong to other data or another size.
        """
        from transformers import T5Config

        from .textual_ids import alternating_training, build
        from .textual_ids.model import IdModel
        from .textual_ids.unique_ids import id_space, read_ids
        from .training import weights

        ids = read_ids(folder / alternating_training.IDS, task.data.item_ids)
        try:
            config = T5Config.from_json_file(folder / CONFIG)
        except (OSError, ValueError) as error:
            raise DataError(f"{folder / CONFIG} is missing or damaged; fit the model again with --fresh") from error
        network = build.without_texts(config)
        weights.load(folder, task, network)
        alternating_training.set_ids(network, ids)
        return IdModel(network.to(task.device).eval(), id_space(ids))

    def _subwords(self, texts: ItemTexts, size: str, folder: Path) -> Subwords:
        """The tokenizer: that of an interrupted training, the checkpoint's, or one trained on the texts."""
        from .textual_ids import build, item_text
        from .textual_ids.subwords import Subwords

        if (folder / TOKENIZER).exists():
            return Subwords.read(folder / TOKENIZER)
        if self.checkpoint is not None:
            return Subwords.read(build.checkpoint_folder(self.checkpoint) / "tokenizer.json")
        return Subwords.trained(item_text.lines(texts), TEXTS[size].vocabulary)

    def _network_over(self, subwords: Subwords, texts: ItemTexts, task: Task) -> IdNetwork:
        """Both parts, what is random drawn from the task's seed."""
        import torch

        from .t5.encoder_decoder import T5Shape
        from .textual_ids import build, item_text
        from .textual_ids.network import IdNetwork
        from .textual_ids.subwords import PAD

        filled: Any = self
        torch.manual_seed(task.seed)
        if self.checkpoint is None:
            config = T5Shape(**SHAPES[task.size]).config(subwords.size, PAD, filled.dropout)
            generator, recommender = build.new_t5(config), build.new_t5(config)
        else:
            recommender = build.read_t5(self.checkpoint, dropout=filled.dropout)
            tagger = self.tagger or self.checkpoint
            generator = build.read_t5(tagger, dropout=filled.dropout, like=recommender.t5.config)
        lines, words = item_text.lines(texts), item_text.keywords(texts, self.keywords)
        tokens, written = build.text_tokens(subwords, lines, words, TEXTS[task.size].length)
        return IdNetwork(generator, recommender, texts=tokens, words=written, reach=filled.reach)

    def _steps(self, size: str) -> list[Step]:
        """The phases in order."""
        from .textual_ids.alternating_training import Step

        filled: Any = self
        recommend = self._recipe(size)
        generate = replace(recommend, lr=self.generator_lr, epochs=self.generator_epochs)
        learn_words = replace(recommend, epochs=filled.keyword_epochs, patience=filled.keyword_epochs)
        learn_words = replace(learn_words, batch=min(KEYWORD_BATCH, filled.batch))
        steps = [] if self.tagger else [Step("keywords", 0, learn_words, share=1)]
        for number in range(1, self.rounds + 1):
            steps += [Step("generator", number, generate, share=1), Step("recommender", number, recommend, share=4)]
        return steps
