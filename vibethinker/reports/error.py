"""An error on the terminal: one message on stderr, its name red where there are colours."""

import re

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
"""What would move the cursor or colour what follows: texts quote settings and the logs of stages."""


def show_error(name: str, text: str, command: str = "") -> None:
    """name: what went wrong, e.g. the class. A terminal gets lines wrapped at words, a file gets them whole.

    command: what to type next; never broken, so that it can be copied.
    """
    console = Console(stderr=True)
    lines = [Text(CONTROL.sub("", line)) for line in f"{name}: {text}".split("\n")]
    lines[0].stylize("bold red", 0, len(name) + 1)
    console.print()
    for line in lines:
        if not console.is_terminal:
            console.print(line, soft_wrap=True)
            continue
        indent = len(line) - len(line.plain.lstrip())
        console.print(Padding(line[indent:], (0, 0, 0, indent), expand=False))
    if command:
        console.print(Text(f"  {command}"), soft_wrap=True)
