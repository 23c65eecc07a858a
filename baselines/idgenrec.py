"""`idgenrec`: items have short textual IDs, and the next item's ID is generated (Tan et al., 2024; paper, section 4.1).

    mrbench run --model idgenrec --decoder ar-beam --constrain catalogue

A generator (T5) reads an item's text and generates its ID; a recommender (T5) reads the IDs of the history, each
followed by an end token, and generates the next item's ID. They are trained in alternating rounds: the generator
through the loss of the frozen recommender, then new IDs, then the recommender. Nothing but the history is known of a
user.

The published generator starts from a T5 that was trained to tag articles. This one first learns the keywords of each
item's title (`textual_ids/item_text.py`), unless `tagger` names such a T5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.protocols import Capability
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.plugins.options import option

from .t5.sizes import T5_SIZES
from .textual_ids.sizes import T5_SMALL, TEXT_SIZE_DEFAULTS
from .training.trained_backbone import SizeDefaults, TrainedBackbone, check_option

if TYPE_CHECKING:
    from mindrec_bench.core.dataset import ItemTexts

    from .textual_ids.alternating_training import Phase
    from .textual_ids.model import TextualIdModel
    from .textual_ids.network import IdGenRecNetwork
    from .textual_ids.subword_tokenizer import SubwordTokenizer

MAX_KEYWORD_BATCH = 32
"""Most items per step while the generator learns keywords, because a catalogue is small."""

TOKENIZER_FILE, CONFIG_FILE = "tokenizer.json", "t5.json"


@dataclass(frozen=True)
class IdGenRec(TrainedBackbone):
    """IDGenRec: one T5 writes a short textual ID for each item, another the ID of the next item; needs item texts."""

    lr: float | None = option(
        None,
        help="peak learning rate of the recommender and of the keywords; None, here and below, takes the size's "
        "default.",
    )
    epochs: int | None = option(None, help="passes of the recommender over the training examples in each round.")
    patience: int = option(
        5, help="epochs without a better validation loss before the learning rate falls and a phase ends."
    )
    dropout: float | None = option(None, help="dropout rate in every block of T5.")
    rounds: int = option(3, help="how often generator and recommender take turns.")
    generator_lr: float = option(1e-8, help="learning rate of the generator in the rounds, as released.")
    generator_epochs: int = option(1, help="passes of the generator over the training examples in each round.")
    keywords: int = option(4, help="most words that the generator learns to generate for an item.")
    keyword_epochs: int | None = option(None, help="passes over the items before the first round.")
    reach: int | None = option(
        None, help="how many of a history's latest items the generator is trained through in the rounds."
    )
    checkpoint: str | None = option(
        None, help="a T5 from which both parts start at size t5-small: a folder, or an id on the hub."
    )
    tagger: str | None = option(
        None,
        help="a T5 with the same tokens that was trained to tag, from which the generator starts instead of keywords.",
    )

    capability: ClassVar[Capability] = "causal"
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small", T5_SMALL)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        "tiny": SizeDefaults(lr=3e-3, epochs=3, batch=128, dropout=0.1, weight_decay=0.01),
        "small": SizeDefaults(lr=1e-3, epochs=10, batch=256, dropout=0.1, weight_decay=0.01),
        T5_SMALL: SizeDefaults(lr=1e-3, epochs=10, batch=64, dropout=0.1, weight_decay=0.01),
    }
    cpu_bf16: ClassVar[bool] = True
    data_parallel: ClassVar[bool] = False
    """False because its phases read the weights and IDs of earlier phases from files of the process that wrote them."""
    reads_text: ClassVar[bool] = True
    model_codes: ClassVar[str] = "a token of an item's textual ID, at its place"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rounds", "generator_epochs", "keywords", "keyword_epochs", "reach"):
            value = getattr(self, name)
            check_option(name, value, value is None or value >= 1, "1 or more")
        check_option("generator_lr", self.generator_lr, self.generator_lr > 0, "above 0")

    def auto_size(self, *, simulation: bool, device: str) -> tuple[str, str]:
        """The size that `--size auto` chooses, and the reason: never the one that needs published weights."""
        if simulation:
            return "tiny", "the smallest, for a simulation"
        return "small", f"the largest from scratch; {T5_SMALL} needs published weights"

    def with_size_defaults(self, size: str) -> Self:
        """The same options, with those that are None replaced by the defaults of the size."""
        text_defaults = TEXT_SIZE_DEFAULTS[size]
        defaults: dict[str, Any] = {"keyword_epochs": text_defaults.keyword_epochs, "reach": text_defaults.reach}
        if size == T5_SMALL:
            defaults["checkpoint"] = T5_SMALL
        missing = {name: value for name, value in defaults.items() if getattr(self, name) is None}
        return replace(super().with_size_defaults(size), **missing)

    def file_fingerprints(self, size: str) -> dict[str, str]:
        """What identifies the content of the checkpoints that the options name; part of a run's identity.

        Raises:
            UsageError: a checkpoint is given at a size that starts from none.
            DataError: a checkpoint can't be read.
        """
        from .checkpoints.files import HUB_RENAMES, fingerprint

        self._check_size(size)
        names = {"checkpoint": self.with_size_defaults(size).checkpoint, "tagger": self.tagger}
        return {role: fingerprint(HUB_RENAMES.get(name, name)) for role, name in names.items() if name is not None}

    def _check_size(self, size: str) -> None:
        if size != T5_SMALL and (self.checkpoint or self.tagger):
            raise UsageError(f"checkpoint and tagger are for --size {T5_SMALL}; leave them out at size {size}")

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train in alternating rounds; see `alternating_training.fit`.

        Raises:
            UsageError: a checkpoint is given at a size that starts from none.
            DataError: the data has no item texts, or the checkpoint can't be read.
            MrbenchError: the folder can't be written.
        """
        from mindrec_bench.io.atomic import atomic_write

        from .textual_ids import alternating_training
        from .training import weights

        if report := weights.completed_report(folder, alternating_training.PHASES_FOLDER):
            return report
        self._check_size(task.size)
        options = self.with_size_defaults(task.size)
        texts = task.data.require_texts("idgenrec")
        tokenizer = options.make_tokenizer(texts, task.size, folder)
        network = options.new_network(tokenizer, texts, task)
        with weights.explain_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            config = network.recommender.t5.config.to_json_string()
            atomic_write(folder / TOKENIZER_FILE, lambda file: file.write(tokenizer.json.encode()))
            atomic_write(folder / CONFIG_FILE, lambda file: file.write(config.encode()))
        return alternating_training.fit(network, options.phases(task.size), tokenizer, task, folder)

    def load(self, task: Task, folder: Path) -> TextualIdModel:
        """The recommender with the weights of the last round, and the items' IDs.

        Raises:
            DataError: they are missing or damaged, or belong to other data or another size.
        """
        from transformers import T5Config

        from .textual_ids.alternating_training import IDS_FILE
        from .textual_ids.model import TextualIdModel
        from .textual_ids.network import IdGenRecNetwork
        from .textual_ids.unique_ids import id_code_space, read_ids
        from .training import weights

        ids = read_ids(folder / IDS_FILE, task.data.item_ids)
        config_path = folder / CONFIG_FILE
        try:
            config = T5Config.from_json_file(config_path)
        except (OSError, ValueError) as error:
            raise DataError(f"{config_path} is missing or damaged; fit the model again with --fresh all") from error
        network = IdGenRecNetwork.for_inference(config)
        weights.load_weights(folder, task, network)
        network.set_ids(ids)
        return TextualIdModel(network.to(task.device).eval(), id_code_space(ids))

    def make_tokenizer(self, texts: ItemTexts, size: str, folder: Path) -> SubwordTokenizer:
        """The tokenizer: that of an interrupted training, that of the checkpoint, or one trained on the texts."""
        from .textual_ids.checkpoint import checkpoint_folder
        from .textual_ids.item_text import text_lines
        from .textual_ids.subword_tokenizer import SubwordTokenizer

        if (folder / TOKENIZER_FILE).exists():
            return SubwordTokenizer.read(folder / TOKENIZER_FILE)
        if self.checkpoint is not None:
            return SubwordTokenizer.read(checkpoint_folder(self.checkpoint) / "tokenizer.json")
        return SubwordTokenizer.train(text_lines(texts), TEXT_SIZE_DEFAULTS[size].vocabulary)

    def new_network(self, tokenizer: SubwordTokenizer, texts: ItemTexts, task: Task) -> IdGenRecNetwork:
        """Both T5s before training, from scratch or from checkpoints; random weights are drawn from the task's seed."""
        import torch

        from .t5.encoder_decoder import t5_config, t5_from_config
        from .textual_ids.checkpoint import load_t5
        from .textual_ids.item_text import keywords, text_lines
        from .textual_ids.network import IdGenRecNetwork
        from .textual_ids.subword_tokenizer import PAD, end_and_pad_right, pad_left
        from .textual_ids.unique_ids import MAX_TOKENS

        options: Any = self
        torch.manual_seed(task.seed)
        if self.checkpoint is None:
            size = T5_SIZES[task.size]
            config = t5_config(size, vocabulary=tokenizer.size, pad=PAD, dropout=options.dropout)
            generator, recommender = t5_from_config(config, PAD), t5_from_config(config, PAD)
        else:
            recommender = load_t5(self.checkpoint, dropout=options.dropout)
            tagger = self.tagger or self.checkpoint
            generator = load_t5(tagger, dropout=options.dropout, like=recommender.t5.config)
        text_ids = tokenizer.encode(text_lines(texts), TEXT_SIZE_DEFAULTS[task.size].text_tokens)
        keyword_ids = tokenizer.encode(keywords(texts, self.keywords), MAX_TOKENS)
        return IdGenRecNetwork(
            generator,
            recommender,
            texts=torch.from_numpy(pad_left(text_ids)),
            keywords=torch.from_numpy(end_and_pad_right(keyword_ids)),
            reach=options.reach,
        )

    def phases(self, size: str) -> list[Phase]:
        """The phases of the training, in order."""
        from .textual_ids.alternating_training import Phase

        options: Any = self
        recommender = self.training_config(size)
        generator = replace(recommender, lr=self.generator_lr, epochs=self.generator_epochs)
        keywords = replace(
            recommender,
            epochs=options.keyword_epochs,
            patience=options.keyword_epochs,
            batch=min(MAX_KEYWORD_BATCH, options.batch),
        )
        phases = [] if self.tagger else [Phase("keywords", 0, keywords, time_share=1)]
        for number in range(1, self.rounds + 1):
            phases.append(Phase("generator", number, generator, time_share=1))
            phases.append(Phase("recommender", number, recommender, time_share=4))
        return phases
