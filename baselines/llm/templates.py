"""Prompt templates of published LLMs: paraphrases of one instruction, with the history at {history}.

Training samples one for each example; validation and test use the first. A text file with other templates holds one
after another, separated by a line `---`.
"""

from __future__ import annotations

from pathlib import Path

from mindrec_bench.errors import DataError

HISTORY_FIELD = "{history}"

TEMPLATES = (
    "Each line below is an item that one shopper took, written in item codes, the latest at the bottom.\n{history}\n"
    "Give the codes of the item that this shopper takes next.",
    "These are the codes of a customer's purchases, oldest first:\n{history}\nWhich item follows? Answer in codes.",
    "A person has bought, in this order,\n{history}\nPredict the codes of the next purchase.",
    "Purchase log of one account, a line an item:\n{history}\nContinue the log by one item.",
    "You know what somebody bought before:\n{history}\nName the item to recommend now, by its codes.",
    "Shopping history, in order of time:\n{history}\nComplete it with the codes of the item that comes after these.",
    "Item codes say what an item is. Someone chose, one after the other,\n{history}\nWrite down the codes of the "
    "choice that comes next.",
    "Read this list of bought items from top to bottom:\n{history}\nWhat would the same buyer pick next? Reply with "
    "its item codes.",
    "Recommend one item to a user with this record:\n{history}\nReply with nothing but the item's codes.",
    "The following lines are one user's items, the most recent one last.\n{history}\nThe user will soon choose another "
    "item: state its codes.",
)
"""Original wording; it is part of a run's identity, so it must not change."""


PLAIN = "plain"
"""In place of a file: the built-in templates as plain text, for base models, which have no chat template."""


def read_templates(path: str | None) -> tuple[str, ...]:
    """The templates in a file, or the built-in ones if `path` is None or `PLAIN`.

    Raises:
        DataError: the file can't be read, is empty, or a template does not contain {history} exactly once.
    """
    if path is None or path == PLAIN:
        return TEMPLATES
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the template file {path} can't be read ({error}); name a text file") from error
    parts = "\n".join("\0" if line.strip() == "---" else line for line in text.splitlines()).split("\0")
    templates = tuple(part.strip() for part in parts if part.strip())
    wrong = [number for number, template in enumerate(templates, 1) if template.count(HISTORY_FIELD) != 1]
    if wrong or not templates:
        problem = f"template {wrong[0]} does not contain it exactly once" if wrong else "it contains none"
        raise DataError(
            f"the template file {path} must contain templates with {HISTORY_FIELD} once in each, separated by lines "
            f"---, but {problem}; correct it"
        )
    return templates
