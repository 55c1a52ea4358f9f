"""The filter, run by a small interpreter of its own instructions, on both architectures' tables."""

import struct

import pytest

from vibethinker.verifiers.sandbox.seccomp import filter_program

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
X86_64, AARCH64, I386 = 0xC000003E, 0xC00000B7, 0x40000003


def outcome(program: bytes, architecture: int, number: int, flags: int = 0) -> int:
    data = struct.pack("<IIQQ", number, architecture, 0, flags)
    instructions = list(struct.iter_unpack("<HBBI", program))
    place, loaded = 0, 0
    while True:
        code, if_true, if_false, value = instructions[place]
        place += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", data, value)
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            place += if_true if holds else if_false


@pytest.mark.parametrize(
    ("machine", "architecture", "refused", "allowed", "clone"),
    [
        ("x86_64", X86_64, [29, 41, 57, 58, 101, 165, 272, 321, 323, 425, 442], [0, 1, 9, 59, 53, 231], 56),
        ("aarch64", AARCH64, [40, 97, 117, 194, 198, 280, 282, 425, 442], [63, 64, 221, 222, 199, 94], 220),
    ],
)
def test_filter(machine: str, architecture: int, refused: list[int], allowed: list[int], clone: int) -> None:
    program = filter_program(machine)
    assert {outcome(program, architecture, n) for n in refused} == {EPERM}
    assert {outcome(program, architecture, n) for n in allowed} == {ALLOW}
    assert outcome(program, architecture, clone, flags=0x11) == EPERM
    assert outcome(program, architecture, clone, flags=0x003D0F00) == ALLOW  # what pthread_create asks for
    assert outcome(program, architecture, 435) == ENOSYS
    assert outcome(program, architecture, 0x40000000 + 57) == EPERM
    assert outcome(program, I386, 2) == KILL


def test_unknown_machine() -> None:
    with pytest.raises(KeyError):
        filter_program("pdp11")
