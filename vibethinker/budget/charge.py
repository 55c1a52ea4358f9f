"""From seconds to money, in whole micro-dollars so that sums are exact."""

import math

MICRO = 1_000_000


def micro_dollars(seconds: float, devices: int, rate: float) -> int:
    """Micro-dollars for `devices` held for `seconds` at `rate` dollars per device-hour, rounded up."""
    # round() first: 0.1 + 0.2 style noise must not cost a micro-dollar.
    return math.ceil(round(max(seconds, 0.0) * devices * rate * MICRO / 3600, 6))
