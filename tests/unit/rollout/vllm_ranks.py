"""One process of a torchrun of two: both train together, and each has a vLLM engine of its own. Prints what it generated.

python -m torch.distributed.run --nproc-per-node 2 vllm_ranks.py MODEL_FOLDER OUTPUT_FOLDER
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from vibethinker.config.model import EngineSettings
from vibethinker.models.checkpoint import load_model
from vibethinker.rollout.engine import Prompt, Sampling
from vibethinker.rollout.vllm_engine import VllmEngine

SAMPLING = Sampling(3, 12, seed=5)


def prompts(rank: int) -> list[Prompt]:
    return [Prompt(f"rank {rank}, {i}", tuple(range(7 * rank + i + 1, 7 * rank + i + 9))) for i in range(2 + rank)]


def main(folder: Path, output: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    engine = VllmEngine(folder, EngineSettings(kind="vllm", kv_cache_gb=0.01), "float32", seed=0)
    before = engine.generate(prompts(rank), SAMPLING)
    ranks = torch.tensor([float(rank)])
    dist.all_reduce(ranks)  # the trainer's own group still works
    state = {name: tensor * (1 + ranks.item() / 10) for name, tensor in load_model(folder, "cpu").state_dict().items()}
    engine.update_weights(state)
    after = engine.generate(prompts(rank), SAMPLING)
    engine.close()
    dist.all_reduce(ranks)
    tokens = [[[c.token_ids for c in group] for group in groups] for groups in (before, after)]
    (output / f"{rank}.json").write_text(json.dumps({"before": tokens[0], "after": tokens[1], "sum": ranks.item()}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
