"""Which sequences share a row: as few rows as a greedy rule finds, none over a budget of tokens."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence


def pack(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in packs of at most `budget` tokens; a longer sequence is a pack of its own.

    Best fit decreasing: the longest first (of equal ones the first), each into the fullest pack that has room. At most
    11/9 of the fewest packs possible and one more, in practice hardly more than those; O(n log n). A pack's own are
    longest first, and so are the packs by their longest: what is largest in memory comes first.
    """
    packs: list[list[int]] = []
    left: dict[int, list[int]] = defaultdict(list)  # tokens left -> packs
    rooms: list[int] = []  # keys of `left` that have packs, in order: as many as there are lengths, never as packs
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        place = bisect_left(rooms, lengths[index])
        if place == len(rooms):
            chosen, room = len(packs), budget
            packs.append([])
        else:
            room = rooms[place]
            chosen = left[room].pop()
            if not left[room]:
                del rooms[place]
        packs[chosen].append(index)
        room -= lengths[index]
        if room > 0:
            if not left[room]:
                insort(rooms, room)
            left[room].append(chosen)
    return packs
