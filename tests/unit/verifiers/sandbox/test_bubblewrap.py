"""The battery: what a hostile program may not do, and what it gets for trying."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from vibethinker.verifiers.sandbox import CodeLimits, Run, SandboxFailure, run_calls, sandbox_problem
from vibethinker.verifiers.sandbox.bubblewrap import _run

pytestmark = pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}")
LIMITS = CodeLimits(cpu_seconds=1, wall_seconds=5, memory_bytes=128 * 1024 * 1024)


def run(program: str, *calls: str, limits: CodeLimits = LIMITS) -> Run:
    return run_calls(program, calls or ("f()",), limits)


def failure(body: str, limits: CodeLimits = LIMITS) -> str:
    """Why `f`, with this body, gave no value."""
    found = run("def f():\n" + "\n".join("    " + line for line in body.split("\n")), limits=limits)
    assert found.values == ()
    return found.failure


def test_values_come_back_in_order() -> None:
    found = run("def f(x, y=0):\n    print('noise')\n    return [x, y]", "f(1)", "f('a', y=None)", "f((1, 2))")
    assert found == Run(("[1,0]", "['a',None]", "[(1,2),0]"))


def test_a_useful_part_of_the_standard_library_works() -> None:
    names = (
        "asyncio bz2 collections copy ctypes dataclasses datetime decimal fractions functools hashlib heapq itertools"
    )
    names += " json lzma math queue random re statistics string threading typing unicodedata zlib"
    program = f"import {', '.join(names.split())}\nasync def g(): return 3\ndef f(): return asyncio.run(g())"
    assert run(program).values == ("3",)


def test_main_guard_and_dataclasses_work() -> None:
    program = """
from dataclasses import dataclass
@dataclass
class P:
    x: "int" = 1
if __name__ == "__main__":
    y = 5
def f():
    global y
    y += P().x
    return y
"""
    assert run(program, "f()", "f()").values == ("6", "7")


def test_threads_work_and_order_of_sets_is_the_same_each_time() -> None:
    program = """
import threading
def f():
    found = []
    threads = [threading.Thread(target=found.append, args=(i,)) for i in range(3)]
    [t.start() for t in threads], [t.join() for t in threads]
    return sorted(found), list({'alpha', 'beta', 'gamma', 'delta'})
"""
    first, second = run(program), run(program)
    assert first == second
    assert first.values[0].startswith("([0,1,2],")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import os\nos._exit(0)", "ended before its tests did"),
        ("import sys\nsys.exit(0)", "SystemExit: 0"),
        ("import os\ndef f(): os._exit(0)", "ended before its tests did"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(): return (yield)", "generator is not a plain value"),
        ("class A:\n    def __eq__(self, other): return True\ndef f(): return A()", "A is not a plain value"),
        ("import ctypes\ndef f(): ctypes.string_at(0)", "ended by signal 11"),
        ("import signal\ndef f(): signal.raise_signal(signal.SIGABRT) or [][0]", "IndexError"),  # pid 1 is immune
        ("def f(x): return x", "TypeError"),
        ("x = " + "(" * 5000, "too many nested parentheses"),
        ("\udc80 = 1", "UnicodeEncodeError"),
        ("x = '\0'", "null bytes"),
        ("def f():\n    x = []\n    x.append(x)\n    return x", "RecursionError"),
        ("class E(Exception):\n    def __str__(self): raise SystemExit\ndef f(): raise E", "ended"),
    ],
)
def test_no_value_without_an_answer(program: str, why: str) -> None:
    found = run(program)
    assert found.values == ()
    assert why in found.failure


def test_forged_output_is_as_good_as_the_answers_it_holds() -> None:
    forge = "import os\nfor fd in range(3, 32):\n    try: os.write(fd, %r)\n    except OSError: pass\nos._exit(0)"
    assert run(forge % b"PASSED\n").values == ()
    assert run(forge % b"=1\n=1\n=1\n").values == ()
    assert run(forge % b"\xff\xfe\n" * 1).values == ()


def test_cpu_limit_decides() -> None:
    start = time.monotonic()
    assert "CPU time" in failure("while True: pass")
    assert time.monotonic() - start < LIMITS.wall_seconds


def test_cpu_limit_holds_against_signal_games_and_threads() -> None:
    assert "CPU time" in failure(
        "import signal\nfor s in (14, 15, 24, 26, 27): signal.signal(s, signal.SIG_IGN)\nwhile 1: 0"
    )
    assert "CPU time" in failure(
        "import threading\nt = threading.Thread(target=lambda: sum(iter(int, 1)))\nt.start()\nt.join()"
    )
    assert "maximum limit" in failure("import resource\nresource.setrlimit(0, (9, 9))")


def test_wall_limit_ends_a_sleeper() -> None:
    short = LIMITS.model_copy(update={"wall_seconds": 0.6})
    assert "wall time" in failure("import time\ntime.sleep(60)", short)
    assert "wall time" in failure("import os, time\nos.closerange(0, 32)\ntime.sleep(60)", short)


def test_memory_bomb() -> None:
    assert failure("return len('a' * 10**9)").startswith("MemoryError")
    assert failure("x = []\nwhile True: x.append(bytearray(10**7))").startswith("MemoryError")


def test_memory_outside_the_address_space() -> None:
    share = "import ctypes\nreturn ctypes.CDLL(None, use_errno=True).shmget(0, 1 << 30, 0o1600)"
    assert run("def f():\n    " + share.replace("\n", "\n    ")).values == ("-1",)
    assert "No space left" in failure("for i in range(99): open(f'/tmp/{i}', 'w').write('a' * 10**6)")
    assert "File too large" in failure("open('/tmp/a', 'w').write('a' * 2 * 1024 * 1024)")
    assert failure("import os\nos.truncate(os.memfd_create('x'), 1 << 30)") != ""
    assert "Too many open files" in failure("x = [open('/dev/null') for _ in range(99)]")


@pytest.mark.parametrize(
    "body",
    [
        "import os\nreturn [os.fork() for _ in range(99)]",
        "import os\nreturn os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess\nreturn subprocess.run(['true']).returncode",
        "import socket\nreturn socket.create_connection(('1.1.1.1', 80)).fileno()",
        "import socket\nreturn socket.socket(socket.AF_UNIX).fileno()",
        "import os\nos.setuid(0)",
        "import os\nos.chroot('/tmp')",
        "import os\nos.kill(1, 9)\nos.listdir('/proc')",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "return open('/etc/passwd').read()",
        "return open('/etc/hostname').read()",
        "return open('/proc/self/environ').read()",
        f"return open({str(Path(__file__).resolve())!r}).read()",
        f"import os\nreturn os.listdir({str(Path(__file__).resolve().parents[4])!r})",
        "import os\nos.symlink('/etc/passwd', '/tmp/p')\nreturn open('/tmp/p').read()",
        "open('/evil', 'w')",
        "open('/dev/shm/evil', 'w')",
        "import os\nopen(os.__file__, 'a')",
        "import os\nopen(os.path.dirname(os.__file__) + '/site-packages/evil.py', 'w')",
        "import pydantic",
    ],
)
def test_refused(body: str) -> None:
    why = failure(body)
    assert "Error" in why, why


def test_a_fork_bomb_of_raw_system_calls_makes_no_process() -> None:
    program = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
def f():
    return [libc.syscall(clone, 17, 0, 0, 0, 0), libc.syscall(435, 0, 0), libc.fork(), libc.vfork()]
"""
    assert run(program).values == ("[-1,-1,-1,-1]",)


def test_threads_without_end_are_stopped() -> None:
    why = failure(
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
    )
    assert "can't start new thread" in why


def test_nothing_but_our_own_is_in_its_environment() -> None:
    os.environ["VIBETHINKER_TEST_SECRET"] = "secret"
    try:
        assert "ecret" not in run("import os\ndef f(): return dict(os.environ)").values[0]
    finally:
        del os.environ["VIBETHINKER_TEST_SECRET"]


def test_no_state_survives() -> None:
    program = (
        "import os\ndef f():\n    there = os.path.exists('/tmp/mark')\n    open('/tmp/mark', 'w')\n    return there"
    )
    assert run(program).values == ("0",)
    assert run(program).values == ("0",)


def test_output_flood() -> None:
    assert run("def f():\n    for _ in range(10_000): print('x' * 1000)\n    return 1").values == ("1",)
    assert "bytes of returned values" in failure("return 'a' * 10_000_000")


def test_no_process_is_left_over() -> None:
    """Nor a zombie left to whatever reaps orphans on this machine, which in a container may be nothing."""
    before, children = zombies(), set(psutil.Process().children(recursive=True))
    failure("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nraise ValueError")
    failure("import time\ntime.sleep(60)", LIMITS.model_copy(update={"wall_seconds": 0.5}))
    run("def f(): return 1")
    assert set(psutil.Process().children(recursive=True)) <= children
    assert wait_until(lambda: zombies() <= before)


def test_the_sandbox_ends_with_the_process_that_started_it() -> None:
    code = (
        "from vibethinker.verifiers.sandbox import CodeLimits, require_sandbox, run_calls\n"
        "require_sandbox(); print('ready', flush=True)\n"
        "run_calls('import time\\ndef f(): time.sleep(60)', ('f()',), CodeLimits(wall_seconds=60))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"ready\n"
        assert wait_until(lambda: len(psutil.Process(launcher.pid).children(recursive=True)) == 2)
        inside = psutil.Process(launcher.pid).children(recursive=True)
        launcher.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in inside))


def test_a_bwrap_that_does_not_start_is_our_failure() -> None:
    with pytest.raises(SandboxFailure, match="did not start"):
        _run("/bin/false", "def f(): return 1", ("f()",), LIMITS)


def zombies() -> set[int]:
    ours = [p for p in psutil.process_iter(["name", "status"]) if p.info["name"].startswith(("bwrap", "python"))]
    return {p.pid for p in ours if p.info["status"] == psutil.STATUS_ZOMBIE}


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.05)
    return False
