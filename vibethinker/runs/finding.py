"""What a check of the machine, the settings and the files found."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    """E.g. `device`, or `source gsm8k-train`."""
    status: Status
    """`problem`: a run would fail, so none is started. `warning`: it runs, but not with everything."""
    text: str
    """What there is and what would be used, or what is wrong."""
    mend: str = ""
    """What to do about it; empty where nothing is wrong."""


def wrong(name: str, error: Exception, status: Status = "problem") -> Finding:
    """An error of this project as a finding: what stands behind its last semicolon is the mend."""
    text, _, mend = " ".join(str(error).split()).rpartition("; ")
    return Finding(name, status, text, mend) if text else Finding(name, status, mend)
