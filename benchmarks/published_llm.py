"""Time and memory of `llada` at the paper's size with random weights: load, 50 LoRA steps, decode 200 users at beam 10.

    python benchmarks/published_llm.py --shape 8b --out results/published_llm.json
    python benchmarks/published_llm.py --shape 8b --refresh 2 7       # prompts that are read less often too
    python benchmarks/published_llm.py --shape 8b --attention prefix  # prompts are read once

It writes a checkpoint in LLaDA's published format (16 GB for 8b, in --folder or a temporary one; one that is there is
used again), reads it back, fine-tunes on the first users of a simulation and decodes all of them. It prints JSON, and
writes it to --out after each phase: the seconds and the peak memory (of the GPU and of the machine) of each phase, the
time of a training step, and for each way of decoding users per second after a first batch, the counted operations and
positions of a user, the share of the positions that reading every prompt with every target would take, the operations
per second, and of a `refresh` the users whose whole ranking and whose first result stay, and the results that stay
(of random weights, which says little: `benchmarks/refresh.py` measures a fitted model). `--shape tiny` runs on any
machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from mindrec_baselines.checkpoints.files import open_checkpoint
from mindrec_baselines.checkpoints.weights import load_network
from mindrec_baselines.llada import Llada
from mindrec_bench.bench.counting import count_operations
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Examples
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.distributed.devices import environment
from mindrec_bench.distributed.memory import free_memory
from mindrec_bench.experiment.batch_decoder import BatchDecoder, Meter
from mindrec_decoders.dbs_penalty import DbsPenalty

SHAPES: dict[str, dict[str, int]] = {
    "8b": {"d_model": 4096, "n_heads": 32, "n_layers": 32, "mlp_hidden_size": 12288, "vocab_size": 126464},
    "mini": {"d_model": 128, "n_heads": 4, "n_layers": 4, "mlp_hidden_size": 344, "vocab_size": 600},
    "tiny": {"d_model": 32, "n_heads": 4, "n_layers": 2, "mlp_hidden_size": 96, "vocab_size": 600},
}
SPARE_ROWS = 115
"""Rows of the embedding beyond the tokenizer, as published."""

SPECIAL_TOKENS = ["<|startoftext|>", "<|endoftext|>", "<|mdm_mask|>", "<|eot_id|>", "<|reserved_token_0|>"]
CHAT_TEMPLATE = "<|startoftext|>{% for m in messages %}{{ m['content'] }}<|eot_id|>{% endfor %}"
TEMPLATE = "Items that one user took, oldest first:\n{history}\nGive the codes of the next."
"""Short, because every byte is a token of the tokenizer below: about as many tokens as a real, longer prompt has."""


def write_tokenizer(folder: Path, size: int) -> None:
    """A tokenizer of `size` tokens, most of them never used."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = letters + [f"word{number}" for number in range(size - len(letters) - len(SPECIAL_TOKENS))]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", chat_template=CHAT_TEMPLATE
    )
    wrapped.add_special_tokens({"additional_special_tokens": SPECIAL_TOKENS})
    wrapped.save_pretrained(folder)


def write_checkpoint(folder: Path, shape: dict[str, int], device: str) -> None:
    """Random bf16 weights under LLaDA's published names, a shard for embedding and head and one per 6 blocks."""
    d, inner, layers = shape["d_model"], shape["mlp_hidden_size"], shape["n_layers"]
    outer = {f"model.transformer.{name}.weight": (shape["vocab_size"], d) for name in ("wte", "ff_out")}
    shards: list[dict[str, tuple[int, ...]]] = [{**outer, "model.transformer.ln_f.weight": (d,)}]
    for first in range(0, layers, 6):
        shards.append({})
        for layer in range(first, min(first + 6, layers)):
            sizes = dict.fromkeys(("q_proj", "k_proj", "v_proj", "attn_out"), (d, d))
            sizes |= {"ff_proj": (inner, d), "up_proj": (inner, d), "ff_out": (d, inner)}
            norms = {"attn_norm": (d,), "ff_norm": (d,)}
            start = f"model.transformer.blocks.{layer}."
            shards[-1] |= {f"{start}{name}.weight": size for name, size in (sizes | norms).items()}
    generator = torch.Generator(device).manual_seed(0)
    index: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        tensors = {name: _draw(size, generator, device) for name, size in names.items()}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(tensors, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    config = {"model_type": "llada", **shape, "embedding_size": shape["vocab_size"], "rope_theta": 500000.0}
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-5, "max_sequence_length": 4096}))
    write_tokenizer(folder, shape["vocab_size"] - SPARE_ROWS)


def _draw(size: tuple[int, ...], generator: torch.Generator, device: str) -> torch.Tensor:
    if len(size) == 1:
        return torch.ones(size, dtype=torch.bfloat16)
    noise = torch.randn(size, generator=generator, device=device, dtype=torch.bfloat16)
    return (noise * size[1] ** -0.5).cpu()


class TimedLlada(Llada):
    """`llada` that records when each training batch is made."""

    times: ClassVar[list[float]] = []

    def collator(self, task: Task, stream: int) -> Any:
        """See `Llada.collator`."""
        collate = super().collator(task, stream)
        if stream:
            return collate

        def timed(examples: Any, keys: Any) -> Any:
            self.times.append(time.perf_counter())
            return collate(examples, keys)

        return timed


class Phases:
    """Seconds and peak memory of each phase."""

    def __init__(self, device: str) -> None:
        self.device, self.measured = device, dict[str, dict[str, float]]()

    @contextmanager
    def phase(self, name: str) -> Any:
        """Measure a block."""
        cuda = self.device == "cuda"
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        yield
        if cuda:
            torch.cuda.synchronize()
        machine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        peak = {"machine_peak_gib": round(machine / 2**30, 2)}
        if cuda:
            peak["gpu_peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        self.measured[name] = {"seconds": round(time.perf_counter() - start, 2), **peak}


def measure(
    shape: str,
    folder: Path,
    *,
    attention: Literal["full", "prefix"],
    refresh: list[int],
    steps: int,
    users: int,
    beam: int,
    batch_size: int,
    store: Callable[[dict[str, Any]], None],
) -> None:
    """Run all phases in a folder; `store` gets the result so far after each."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    phases = Phases(device)
    result: dict[str, Any] = {"shape": shape, "attention": attention, "environment": environment(device)}
    result |= {"beam": beam, "batch": 8, "decode_batch_size": batch_size, "phases": phases.measured}
    checkpoint, template = folder / "checkpoint", folder / "template.txt"
    checkpoint.mkdir(parents=True, exist_ok=True)
    template.write_text(TEMPLATE)
    if not (checkpoint / "tokenizer.json").exists():  # written last
        with phases.phase("write"):
            write_checkpoint(checkpoint, SHAPES[shape], device)
    store(result)
    with phases.phase("load"):
        network = load_network(open_checkpoint(str(checkpoint)), ("llada",), device)
    result["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    del network
    store(result)
    source = ArtsSim(users=max(users, 8 * steps))  # a user has at least one example
    offsets = source.load(None, users=None).offsets
    examples = np.cumsum((np.diff(offsets) - 3).clip(min=0))
    data = source.load(None, users=int(np.searchsorted(examples, 8 * steps)) + 1)
    decoded = source.load(None, users=users)
    backbone = TimedLlada(checkpoint=str(checkpoint), template=str(template), epochs=1, attention=attention)
    task = Task(data, data.space(categories=True), size="checkpoint", device=device, quiet=True)
    fit = folder / f"fit-{attention}"
    shutil.rmtree(fit, ignore_errors=True)
    with phases.phase("train"):
        report = backbone.fit(task, fit)
    gaps = [later - earlier for earlier, later in zip(backbone.times, backbone.times[1:], strict=False)][5:]
    result |= {"trained": report.parameters, "steps": report.steps}
    result |= {"seconds_a_step": round(statistics.median(gaps or [0.0]), 4), "decoding": []}
    store(result)
    free_memory()
    model: Any = backbone.load(task, fit)
    result["tokens"] = model.encoder.encode_prompts(data.test().histories, data.users * 0)[0].shape[1]
    rankings: dict[int, Tensor] = {}
    for r in [0, *refresh]:
        model.refresh = r
        decoder = BatchDecoder(
            model=model,
            capability="denoiser",
            decoder=DbsPenalty(),
            space=task.space,
            categories="generate",
            item_ids=decoded.item_ids,
            beam=beam,
            seed=42,
            device=device,
            batch_size=batch_size,
        )
        with phases.phase(f"decode, refresh={r}"):
            row, rankings[r] = _decode(decoder, model, decoded.test(), result["tokens"])
        result["decoding"].append({"refresh": r, **row, **(_kept(rankings[r], rankings[0]) if r else {})})
        store(result)


def _decode(decoder: BatchDecoder, model: Any, test: Examples, tokens: int) -> tuple[dict[str, Any], Tensor]:
    """The figures of one way of decoding, and the codes of the rankings of the first batch."""
    counted, blocks = min(4, len(test)), 0

    def count(module: Any, args: Any, options: dict[str, Any]) -> None:
        nonlocal blocks
        blocks += options["inputs_embeds"].shape[:2].numel()

    few, counting = Examples(test.histories[:counted], test.targets[:counted]), Meter()
    hook = model.blocks.register_forward_pre_hook(count, with_kwargs=True)
    operations = count_operations(lambda: list(decoder.decode_batches(few, counting)))
    hook.remove()
    first = test.histories[: decoder.batch_size], test.targets[: decoder.batch_size]
    ranking = decoder.decode_batch(Examples(*first), Meter())[2]
    meter = Meter()
    decoded = sum(count for _, count in decoder.decode_batches(test, meter))
    users_a_second = decoded / sum(meter.batch_seconds)
    target = len(model.encoder.target_layout(range(decoder.space.n_slots)).token_ids)
    steps = counting.forward_passes // math.ceil(counted / decoder.batch_size)
    everything = (1 + (steps - 1) * decoder.beam) * (tokens + target)
    row = {
        "users": decoded,
        "forward_passes": meter.forward_passes,
        "users_a_second": round(users_a_second, 3),
        "positions_a_user": round(operations.positions / counted, 1),
        "share_of_positions": round(blocks / counted / everything, 4),
        "teraflop_a_user": round(operations.flops / counted / 1e12, 6),
        "teraflop_a_second": round(users_a_second * operations.flops / counted / 1e12, 3),
    }
    return row, ranking.codes


def _kept(codes: Tensor, exact: Tensor) -> dict[str, float]:
    """Shares of the users whose ranking and whose first result stay, and of the results that stay."""
    same = (codes == exact).all(dim=2)
    results = (exact[:, :, None] == codes[:, None]).all(dim=3).any(dim=2)
    shares = {"same_ranking": same.all(dim=1), "same_first": same[:, 0], "same_results": results}
    return {name: round(float(kept.float().mean()), 4) for name, kept in shares.items()}


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", choices=sorted(SHAPES), default="8b")
    parser.add_argument("--attention", choices=("full", "prefix"), default="full")
    parser.add_argument("--refresh", type=int, nargs="*", default=[], help="decode with these too")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--beam", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--folder", type=Path, help="folder of the checkpoint and the adapter")
    parser.add_argument("--out", type=Path, help="file for the result")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    for package in ("mindrec_bench", "mindrec_baselines"):
        logging.getLogger(package).setLevel(logging.INFO)
    options = {
        "attention": arguments.attention,
        "refresh": arguments.refresh,
        "steps": arguments.steps,
        "users": arguments.users,
        "beam": arguments.beam,
        "batch_size": arguments.batch_size,
    }
    text = ""

    def store(result: dict[str, Any]) -> None:
        nonlocal text
        text = json.dumps(result, indent=1)
        print(result["phases"], file=sys.stderr)
        if arguments.out:
            arguments.out.write_text(text + "\n")

    with tempfile.TemporaryDirectory() as scratch:
        measure(arguments.shape, arguments.folder or Path(scratch), **options, store=store)
    print(text)


if __name__ == "__main__":
    main()
