"""Names that settings use for the recipe's stages."""

STAGES = (
    "ingest",
    "decontaminate",
    "split",
    "base",
    "distill",
    "probing",
    "curriculum",
    "expert",
    "select",
    "fuse",
    "mgpo",
    "benchmark",
    "suite",
)
"""The modules of `vibethinker.stages`, as `vibethinker.stages.recipe.VERSIONS` lists them."""
