"""Fusion of four checkpoints of 1.5B parameters in bfloat16: ours beside mergekit's linear merge. Last line: one JSON object.

Random weights in the shapes of Qwen2.5-1.5B are written to a temporary folder (16 GB with the outputs), which goes at the
end. Turns are interleaved, each in a process of its own; a turn's time is the merge alone, without imports, ours until the
files are on the disk. The parent samples each process's private memory (USS). The outputs are compared bit by bit.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import psutil
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from vibethinker.models.shards import header_bytes, read_places  # noqa: E402

PEERS = Path(sys.prefix) / "peers"
GIB = 1 << 30
MODELS, ROUNDS = 4, 3
WAYS = ("ours", "mergekit")
FASTER, TARGET_GIB = 3.0, 2.0
DISK, MEMORY = 24 * GIB, 20 * GIB
"""Free ones that are asked for: mergekit holds 16 GB, and all is to stay in the page cache as far as it can."""
HIDDEN, INNER, LAYERS, VOCABULARY, KEYS = 1536, 8960, 28, 151_936, 256
"""Of Qwen2.5-1.5B, whose head is its embeddings."""
CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "tie_word_embeddings": True,
    "dtype": "bfloat16",
}
POOL = 1 << 24
"""Random values from which the tensors are cut."""


def measure() -> dict[str, Any]:
    """Seconds and GiB by way, medians over rounds: {"table", "ours", "peers", "ratio", "target", "met"}."""
    if not (PEERS / "mergekit").exists():
        raise SystemExit("mergekit is not installed: `make peers` does it")
    with _folder() as folder:
        models = _write_models(folder)
        turns: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for number in range(ROUNDS):
            for way in WAYS:
                print(f"round {number + 1} of {ROUNDS}, {way} ...", file=sys.stderr, flush=True)
                turns[way].append(_turn(way, models, folder / way))
            same = _same_bits(*(folder / way for way in WAYS))
            for way in WAYS:
                shutil.rmtree(folder / way)
    return _figures(turns, same)


def _figures(turns: dict[str, list[dict[str, float]]], same: bool) -> dict[str, Any]:
    found = {
        way: {key: median(turn[key] for turn in rows) for key in ("seconds", "gib", "resident")}
        for way, rows in turns.items()
    }
    ours, peer = found["ours"], found["mergekit"]
    ratio = peer["seconds"] / ours["seconds"]
    table = [f"{'':<10}{'seconds':>9}{'each turn':>22}{'GiB private':>13}{'GiB resident':>14}"]
    for way, row in found.items():
        each = " ".join(f"{turn['seconds']:.1f}" for turn in turns[way])
        table.append(f"{way:<10}{row['seconds']:>9.1f}{each:>22}{row['gib']:>13.2f}{row['resident']:>14.2f}")
    table += [f"ours is {ratio:.1f} times as fast; the outputs {'are the same bits' if same else 'DIFFER'}"]
    return {
        "table": table,
        "ours": ours,
        "peers": {"mergekit": peer},
        "ratio": {"mergekit": ratio},
        "target": {"mergekit": FASTER, "gib": TARGET_GIB},
        "met": same and ratio >= FASTER and ours["gib"] < TARGET_GIB,
    }


@contextmanager
def _folder() -> Iterator[Path]:
    """Gone at the end, on Ctrl-C too."""
    if (free := psutil.virtual_memory().available) < MEMORY:
        raise SystemExit(
            f"{free / GIB:.0f} GiB of memory are free, this takes {MEMORY // GIB}; end other programs first"
        )
    with tempfile.TemporaryDirectory(prefix="vibethinker-fuse-") as name:
        if (free := shutil.disk_usage(name).free) < DISK:
            raise SystemExit(f"{free / GIB:.0f} GiB of disk are free at {name}, this takes {DISK // GIB}; set TMPDIR")
        yield Path(name)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        own = {
            "input_layernorm.weight": (HIDDEN,),
            "mlp.down_proj.weight": (HIDDEN, INNER),
            "mlp.gate_proj.weight": (INNER, HIDDEN),
            "mlp.up_proj.weight": (INNER, HIDDEN),
            "post_attention_layernorm.weight": (HIDDEN,),
            "self_attn.k_proj.bias": (KEYS,),
            "self_attn.k_proj.weight": (KEYS, HIDDEN),
            "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            "self_attn.q_proj.bias": (HIDDEN,),
            "self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            "self_attn.v_proj.bias": (KEYS,),
            "self_attn.v_proj.weight": (KEYS, HIDDEN),
        }
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in own.items()}
    return shapes | {"model.norm.weight": (HIDDEN,)}


def _write_models(folder: Path) -> list[Path]:
    """Each starts elsewhere in one pool of random values, so that no two models or tensors are alike."""
    pool = (0.02 * torch.randn(POOL, generator=torch.Generator().manual_seed(0))).bfloat16().view(torch.uint8).numpy()
    models = [folder / f"model-{number}" for number in range(MODELS)]
    shapes = _shapes()
    for number, model in enumerate(models):
        print(f"writing {model.name} ...", file=sys.stderr, flush=True)
        model.mkdir()
        (model / "config.json").write_bytes(orjson.dumps(CONFIG))
        with (model / "model.safetensors").open("wb") as file:
            file.write(header_bytes({name: (torch.bfloat16, shape) for name, shape in shapes.items()}))
            left, start = 2 * sum(torch.Size(shape).numel() for shape in shapes.values()), 2 * 1_000_003 * number
            while left:
                part = pool[start : start + left]
                file.write(part)
                left, start = left - len(part), 0
    return models


def _turn(way: str, models: list[Path], target: Path) -> dict[str, float]:
    """Seconds of the merge alone; peaks of its process's private and resident memory in GiB."""
    script = Path(__file__).with_name(f"spectrum_fuse_{way}.py")
    path = str(ROOT) if way == "ours" else str(PEERS)
    command = [sys.executable, str(script), str(target), *map(str, models)]
    gib = resident = 0.0
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True) as process:
        try:
            for now in _memory(process):
                gib, resident = max(gib, now.uss / GIB), max(resident, now.rss / GIB)
            output, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise SystemExit(f"{way} failed with exit code {process.returncode}")
    return {"seconds": float(output.splitlines()[-1]), "gib": gib, "resident": resident}


def _memory(process: "subprocess.Popen[str]") -> Iterator[Any]:
    """Ten times a second, until the process ends."""
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            yield watched.memory_full_info()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            return
        time.sleep(0.1)


def _same_bits(first: Path, second: Path) -> bool:
    ours, theirs = read_places(first), read_places(second)
    return ours.keys() == theirs.keys() and all(
        place.shape == theirs[name].shape and _bytes(place) == _bytes(theirs[name]) for name, place in ours.items()
    )


def _bytes(place: Any) -> bytes:
    with place.file.open("rb") as file:
        file.seek(place.start)
        return bytes(file.read(place.bytes))


def main() -> None:
    """Prints the table and the figures for scripts."""
    figures = measure()
    print(f"\n{MODELS} checkpoints of 1.5B parameters in bfloat16, averaged; medians of {ROUNDS} interleaved rounds\n")
    print("\n".join(figures.pop("table")))
    print(json.dumps({"bench": "spectrum-fuse", **figures}))


if __name__ == "__main__":
    main()
