"""What a rollback did, for people or scripts."""

import sys

import orjson

from vibethinker.promotion.rollback import Rollback
from vibethinker.reports.words import when


def show_rollback(result: Rollback, json: bool) -> None:
    """Three lines for people, or JSON."""
    if json:
        sys.stdout.write(orjson.dumps(result.model_dump(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    print(f"{result.model}: version {result.champion} is champion again, version {result.rolled_back} is rolled back")
    print(f"weights {result.weights_sha256[:12]} compared with what was registered, {when(result.rolled_back_at)}")
    print(f"reason: {result.reason}")
