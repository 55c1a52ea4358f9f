"""What a search for fusion weights bought, in words."""

from vibethinker.reports.spectrum_data import Search
from vibethinker.reports.words import percent, points


def bought(search: Search) -> str:
    """In a sentence, what the search bought on the part of the probing sets that was not searched."""
    tried = len(search.candidates) - 1
    begin = f"{tried} weighting{'s were' if tried != 1 else ' was'} tried besides the uniform one"
    if search.chosen == 0:
        return f"{begin}; none was better on the searched part, so the uniform weights stay and nothing was bought."
    if not search.held_out:
        return f"{begin}; what the chosen one buys was not measured."
    held = search.held_out
    said = {
        "better": "the chosen weights are better than the uniform ones",
        "worse": "the chosen weights are worse than the uniform ones",
        "nothing shown": "nothing shown, since the interval has 0",
    }[held.verdict]
    return (
        f"{begin}. On the {held.problems} held-out problems Pass@{search.k} went from {percent(held.uniform.mean)} to "
        f"{percent(held.chosen.mean)}, {points(held.difference)}: {said}."
    )
