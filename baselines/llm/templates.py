"""What published LLMs are asked: paraphrases of one instruction, the history at {history}.

Training samples one for each example; validation and test use the first. A user's own stand in a text file, one after
the other, with a line `---` between them.
"""

from __future__ import annotations

from pathlib import Path

from mindrec_bench.errors import DataError

HISTORY_FIELD = "{history}"

PARAPHRASES = (
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
"""Our own wording."""


def read_templates(path: str | None) -> tuple[str, ...]:
    """The paraphrases of a file, or the built-in ones.

    Raises:
        DataError: the file can't be read, is empty, or a paraphrase has no {history} or several.
    """
    if path is None:
        return PARAPHRASES
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the template file {path} can't be read ({error}); name a text file") from error
    parts = "\n".join("\0" if line.strip() == "---" else line for line in text.splitlines()).split("\0")
    found = tuple(part.strip() for part in parts if part.strip())
    wrong = [number for number, part in enumerate(found, 1) if part.count(HISTORY_FIELD) != 1]
    if wrong or not found:
        which = f"paraphrase {wrong[0]}" if wrong else "it"
        raise DataError(
            f"the template file {path} must hold paraphrases with {HISTORY_FIELD} once in each and a line --- between "
            f"them, and {which} has not; correct it"
        )
    return found
