"""Real worker processes: they answer, they are killed when too slow, they come back."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from vibethinker.verifiers.maths_pool import MathsPool, WorkerDied

TOO_HARD = ("(x+y+z+w)^{400}", "(x+y)^{400}+z")


@pytest.fixture(scope="module")
def pool() -> Iterator[MathsPool]:
    pool = MathsPool(seconds=2)
    yield pool
    pool.close()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"1+\sqrt{3}", r"\sqrt{3}+1"),
        (r"\frac{9}{\sqrt{23}}", r"\frac{9\sqrt{23}}{23}"),
        ("1,-2", "-2,1"),
        (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}"),
        ("(a+5)(b+2)", "(b+2)(a+5)"),
    ],
)
def test_equal(pool: MathsPool, a: str, b: str) -> None:
    assert pool.equal(a, b)
    assert pool.equal(b, a)


@pytest.mark.parametrize(
    ("a", "b"), [("(1,2)", "(2,1)"), (r"\sqrt{2}", r"\sqrt{3}"), ("}{", "1"), ("", "1"), ("import os", "1")]
)
def test_not_equal(pool: MathsPool, a: str, b: str) -> None:
    assert not pool.equal(a, b)


def test_too_slow_is_killed_and_the_next_question_is_answered(pool: MathsPool) -> None:
    with pytest.raises(WorkerDied) as death:
        pool.equal(*TOO_HARD)
    assert death.value.too_slow
    assert pool.equal(r"\sqrt{2}+1", r"1+\sqrt{2}")


def test_a_worker_killed_from_outside_is_replaced(pool: MathsPool) -> None:
    assert pool.equal("x+1", "1+x")
    for child in psutil.Process().children():
        child.kill()
    assert pool.equal("x+1", "1+x")


def test_close_leaves_no_process() -> None:
    pool = MathsPool(seconds=2)
    before = set(psutil.Process().children())
    assert pool.equal("x+1", "1+x")
    (worker,) = set(psutil.Process().children()) - before
    pool.close()
    assert not worker.is_running()


def test_importing_the_verifiers_loads_no_algebra() -> None:
    code = "import sys, vibethinker.verifiers.grader; print({'sympy', 'math_verify', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
