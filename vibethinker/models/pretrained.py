"""Given base models: from a hub, a local folder, or a Python package, into Hugging Face layout."""

import importlib.util
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerBase

from vibethinker.errors import ConfigError
from vibethinker.models.checkpoint import eos_ids, save_model
from vibethinker.models.identity import PACKAGE


def fetch_model(source: str, revision: str, folder: Path, positions: int = 0) -> int:
    """Writes the model and its tokenizer to folder, weights as their source has them; returns the number of parameters.

    positions: written into its configuration unless 0; rotary frequencies stay as they are.

    Raises ConfigError where the model can't be had, or where it has no chat template.
    """
    try:
        model, tokenizer = _load(source, revision)
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"base.source {source!r} can't be loaded ({error}); give a local folder, or go online"
        ) from error
    if not tokenizer.chat_template:
        raise ConfigError(f"base.source {source!r} has no chat template; give a model folder whose tokenizer has one")
    if positions:
        model.config.max_position_embeddings = positions
    if model.generation_config:  # whoever generates with it later must stop where the chat template ends a turn
        model.generation_config.eos_token_id = eos_ids(model, tokenizer)
    save_model(folder, model, tokenizer)
    return sum(p.numel() for p in model.parameters())


def _load(source: str, revision: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if source.startswith(PACKAGE):
        return _from_package(source.removeprefix(PACKAGE))
    kwargs = {"revision": revision} if revision else {}
    folder = Path(source).expanduser()
    source = str(folder) if folder.is_dir() else source
    model = AutoModelForCausalLM.from_pretrained(source, dtype="auto", **kwargs)
    return model, AutoTokenizer.from_pretrained(source, **kwargs)


def _from_package(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The one GGUF file inside an installed package, dequantised to bfloat16."""
    spec = importlib.util.find_spec(name.replace("-", "_"))
    roots = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    files = [f for root in roots for f in sorted(root.rglob("*.gguf"))]
    if not files:
        raise ConfigError(f"base.source 'package:{name}': the package has no .gguf file")
    where = {"gguf_file": files[0].name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(
        files[0].parent, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True), **where
    )
    return model, AutoTokenizer.from_pretrained(files[0].parent, **where)
