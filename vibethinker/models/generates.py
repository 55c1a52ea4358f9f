"""Whether a model folder loads and generates: `python -m vibethinker.models.generates FOLDER`, for a process of its own."""

import sys
from pathlib import Path

import orjson
import torch

from vibethinker.models.chat import decode_responses, encode_prompt
from vibethinker.models.checkpoint import eos_ids, load_model, load_tokenizer
from vibethinker.records import Problem

TOKENS = 8
QUESTION = Problem(id="check/1", domain="check", question="Find 1 + 1.", verifier="maths", answer="2", source="check")


@torch.inference_mode()
def generates(folder: Path) -> dict[str, object]:
    """Number and text of up to `TOKENS` greedy tokens on CPU. Raises ValueError for logits that are not finite."""
    model, tokenizer = load_model(folder, "cpu"), load_tokenizer(folder)
    prompt, end = encode_prompt(tokenizer, QUESTION, {}, ""), eos_ids(model, tokenizer)
    tokens: list[int] = []
    while len(tokens) < TOKENS and not (tokens and tokens[-1] in end):
        logits = model(torch.tensor([[*prompt, *tokens]])).logits[0, -1]
        if not torch.isfinite(logits).all():
            raise ValueError(f"{folder}: logits are not finite at token {len(tokens)}; the weights are damaged")
        tokens.append(int(logits.argmax()))
    return {"tokens": len(tokens), "text": decode_responses(tokenizer, [tokens])[0]}


def main() -> None:
    """One JSON line, or one line of error and exit code 1."""
    try:
        answer = generates(Path(sys.argv[1]))
    except Exception as error:  # whatever a damaged file makes a loader raise, the answer is the same: it does not work
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    print(orjson.dumps(answer).decode())


if __name__ == "__main__":
    main()
