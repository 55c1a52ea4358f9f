"""Runs inside the sandbox: the program first, then the tests' calls, whose values go out as canonical text.

The source of this file is sent to the sandbox's interpreter with `-c`; it imports the standard library only. Expected
values never enter the sandbox: the grader compares the texts outside, so whoever forges output has to know the answer.
"""

import marshal
import os
import resource
import sys

READY = "ready"
"""First line: everything before it is our doing, everything after it the program's."""
VALUE = "="
ERROR = "!"


def canonical(value: object) -> str:
    """Text that is equal exactly where two builtin values are equal in Python (so `1`, `1.0` and `True` share one).

    Raises TypeError for anything that is not built of None, numbers, text, bytes and the builtin containers.
    """
    if value is None:
        return "None"
    if isinstance(value, int):
        return int.__format__(value, "x")
    if isinstance(value, float):
        return int.__format__(int(value), "x") if value.is_integer() else float.hex(value)
    if isinstance(value, str):
        return ascii(str.__str__(value))
    if isinstance(value, bytes):
        return "b'" + bytes.hex(value)
    if isinstance(value, list):
        return "[" + ",".join([canonical(v) for v in value]) + "]"
    if isinstance(value, tuple):
        return "(" + ",".join([canonical(v) for v in value]) + ")"
    if isinstance(value, (set, frozenset)):
        return "{" + ",".join(sorted([canonical(v) for v in value])) + "}"
    if isinstance(value, dict):
        return "d{" + ",".join(sorted([canonical(k) + ":" + canonical(v) for k, v in value.items()])) + "}"
    raise TypeError(f"{type(value).__name__} is not a plain value")


def _read_all(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)


def _write(descriptor: int, line: str) -> None:
    data = line.encode("ascii", "backslashreplace") + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


def _private_output() -> int:
    """Takes standard output for ourselves; the program reads nothing and prints to nowhere."""
    output = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    return output


def _describe(error: BaseException) -> str:
    return ascii(f"{type(error).__name__}: {error}"[:200])[1:-1]


def main() -> None:
    """Reads (limits, program, calls) from standard input, runs them, and leaves without waiting for threads."""
    limits, program, calls = marshal.loads(_read_all(0))  # noqa: S302 -- written by the grader, for this same interpreter
    for name, value in limits:
        resource.setrlimit(name, (value, value))
    output = _private_output()
    _write(output, READY)
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    try:
        exec(compile(program, "<program>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 -- our purpose
        for call in calls:
            _write(output, VALUE + canonical(eval(call, module.__dict__)))  # noqa: S307 -- a test's call
    except BaseException as error:  # whatever the program does, SystemExit included, is a failed test
        _write(output, ERROR + _describe(error))
    os._exit(0)


if __name__ == "__main__":
    main()
