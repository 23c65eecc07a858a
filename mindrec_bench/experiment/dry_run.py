"""`mrbench run --dry-run`: what would be run, and what is stored of it already; nothing is computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.code_space import MASK
from ..distributed.torchrun import process_from_env
from ..plugins.options import as_dict
from .config import ExecutionOptions, ExperimentConfig
from .context import RunContext
from .run import check_gpus, resolve_processes


def dry_run(config: ExperimentConfig, options: ExecutionOptions, *, prompts: int = 0) -> dict[str, Any]:
    """Resolve an experiment as `run_experiment` does.

    Args:
        config: of the experiment.
        options: how it would be executed.
        prompts: for how many users the prompts are shown.

    Returns:
        `run` and `path`; `done` and `fitted`: whether the run and its fitted model are stored; the whole `spec`;
        `options`, those of the model and the decoder with their defaults; `device`; `size` with the reason for it;
        `training_bytes` (see `Backbone.training_bytes`); and `prompts` (see `Backbone.show_prompts`), None where the
        model reads no text.

    Raises:
        MrbenchError: the config is wrong, or data or a checkpoint is missing.
    """
    process = process_from_env()
    config, devices = resolve_processes(config, options, process)
    context = RunContext.create(config, options)
    check_gpus(context, devices, process)
    spec, resolved = context.spec, context.resolved
    shown = _prompts(context, prompts or 1)  # reads the checkpoint's tokenizer and family, as a run would
    return {
        "run": spec.id,
        "path": str(context.run_folder.path),
        "done": context.run_folder.load_run() is not None,
        "fitted": context.model_folder.is_done() if resolved.backbone.sizes else None,
        "device": context.device,
        "size": spec.model.size + resolved.size_reason(context.dataset),
        "training_bytes": context.backbone.training_bytes(spec.model.size),
        "spec": spec.as_dict(),
        "options": {"model": as_dict(context.backbone), "decoder": as_dict(resolved.decoder)},
        "prompts": shown if prompts else [],
    }


def _prompts(context: RunContext, count: int) -> list[dict[str, Any]] | None:
    space, examples = context.space, context.examples
    slots = space.canvas_slots(context.spec.categories)
    start = np.full((min(count, len(examples)), len(slots)), MASK)
    if context.spec.categories == "given":
        start[:, : space.n_categories] = space.item_codes[examples.targets[:count], : space.n_categories]
    return context.resolved.backbone.show_prompts(context.task, examples.histories[:count], start, slots)


def dry_run_text(plan: dict[str, Any]) -> str:
    """The result of `dry_run` for the terminal."""
    spec, options = plan["spec"], plan["options"]
    rows = {
        "run": plan["run"],
        "in": plan["path"],
        "state": "done" if plan["done"] else "to be computed",
        "data": f"{spec['data']['name']}, {spec['data']['users']:,} users",
        "model": f"{spec['model']['name']}  {_options_text(options['model'] | spec['model']['files'])}".rstrip(),
        "size": plan["size"],
        "memory": _memory_text(plan["training_bytes"]),
        "fitted": {True: "yes", False: "no", None: ""}[plan["fitted"]],
        "decoder": f"{spec['decoder']['name']}  {_options_text(options['decoder'])}".rstrip(),
        **{name: str(spec[name]) for name in ("categories", "constrain", "beam", "seed", "split")},
        "eval users": f"{spec['eval_users']:,}" if spec["eval_users"] else "",
        "holdout": spec["holdout"] if spec["holdout"] != ExperimentConfig.holdout else "",
        "history": _history_text(spec),
        "limit": f"{spec['max_minutes']:g} minutes of training" if spec["max_minutes"] else "",
        "trained by": f"{spec['train_devices']} processes" if spec["train_devices"] > 1 else "",
        "device": plan["device"],
    }
    lines = [f"{name:<10}  {value}" for name, value in rows.items() if value]
    if plan["prompts"] is None:
        lines += ["", "this model and size read codes and no text, so there is no prompt"]
    for prompt in plan["prompts"] or ():
        lines += ["", f"user {prompt['user']}", prompt["text"], f"ids: {' '.join(map(str, prompt['ids']))}"]
        lines.append(
            "slots: " + ", ".join(f"{slot['slot']} at {slot['position']} {slot['state']}" for slot in prompt["slots"])
        )
    return "\n".join(lines)


def _memory_text(training_bytes: int | None) -> str:
    return "" if training_bytes is None else f"fine-tuning takes about {training_bytes / 2**30:.1f} GiB of a GPU"


def _history_text(spec: dict[str, Any]) -> str:
    excluded = ["never recommended"] if spec["exclude_history"] else []
    length = [f"the latest {spec['history']} items"] if spec["history"] != ExperimentConfig.history else []
    return ", ".join([*length, *excluded])


def _options_text(options: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in options.items())
