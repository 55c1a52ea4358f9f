import hashlib
import os
import signal
import subprocess
import sys

import pytest
from pydantic import ValidationError

from vibethinker.errors import BudgetExceeded, DataError, Preempted, SealError
from vibethinker.runs.exit_codes import exit_code
from vibethinker.runs.manifest import InputRef, sealed
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work


def seal_one(bench, text="hello", **settings):
    spec = bench.spec(**settings)
    with open_work(spec) as work:
        (work.out / "model").mkdir()
        (work.out / "model/weights.bin").write_text(text)
        (work.scratch / "checkpoint").write_text("c")
        return spec, work.seal({"loss": 1})


def test_a_seal_describes_every_file_of_the_output_and_nothing_else(bench):
    spec, manifest = seal_one(bench, n=1)
    assert sealed(spec.folder) == manifest
    assert list(manifest.files) == ["model/weights.bin"]
    assert manifest.files["model/weights.bin"].sha256 == hashlib.sha256(b"hello").hexdigest()
    assert manifest.metrics == {"loss": 1.0}
    assert manifest.fingerprint == spec.fingerprint
    assert manifest.settings == {"n": 1}
    assert manifest.versions["python"].startswith("3.")
    assert {entry.name for entry in spec.folder.iterdir()} == {"manifest.json", "model", "attempts"}


def test_work_that_raises_leaves_no_seal_but_its_checkpoint(bench):
    spec = bench.spec()
    with pytest.raises(ZeroDivisionError), open_work(spec) as work:
        (work.out / "half.bin").write_text("x")
        (work.scratch / "checkpoint").write_text("c")
        raise ZeroDivisionError
    assert sealed(spec.folder) is None
    with open_work(spec) as work:
        assert (work.scratch / "checkpoint").read_text() == "c"
        assert not (work.out / "half.bin").exists()
        (work.out / "whole.bin").write_text("y")
        assert list(work.seal({}).files) == ["whole.bin"]


def test_a_sealed_output_is_not_opened_again(bench):
    spec, _ = seal_one(bench)
    with pytest.raises(SealError, match="is sealed"), open_work(spec):
        pass
    assert sealed(spec.folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_flag_and_forbids_the_seal(bench, number):
    before = signal.getsignal(number)
    spec = bench.spec()
    with open_work(spec) as work:
        assert not work.stop()
        os.kill(os.getpid(), number)
        assert work.stop()
        with pytest.raises(Preempted, match="before it could seal"):
            work.seal({})
    assert sealed(spec.folder) is None
    assert signal.getsignal(number) is before


def consumer(bench, made, **changes):
    spec, manifest = made
    path = str(spec.folder.relative_to(bench.workspace))
    fields = {"fingerprint": manifest.fingerprint, "digest": manifest.digest, "path": path} | changes
    return bench.spec(consumer=True).model_copy(update={"inputs": {"data": InputRef(**fields)}})


def test_an_input_is_a_sealed_folder(bench):
    made = seal_one(bench)
    with open_work(consumer(bench, made)) as work:
        assert (work.input("data") / "model/weights.bin").read_text() == "hello"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "stages/none"}, "'data' at .* is not sealed"),
        ({"digest": "0"}, "holds another output"),
        ({"fingerprint": "0"}, "holds another output"),
    ],
)
def test_other_inputs_are_refused(bench, changes, message):
    with open_work(consumer(bench, seal_one(bench), **changes)) as work, pytest.raises(SealError, match=message):
        work.input("data")


def test_a_truncated_input_is_refused(bench):
    made = seal_one(bench)
    (made[0].folder / "model/weights.bin").write_text("hell")
    with open_work(consumer(bench, made)) as work, pytest.raises(SealError, match="another size"):
        work.input("data")


def test_a_spec_survives_its_file(bench, tmp_path):
    spec = consumer(bench, seal_one(bench)).model_copy(update={"settings": {"a": [1, 2.5, None], "b": {"c": "é"}}})
    spec.write(tmp_path / "spec.json")
    assert StageSpec.read(tmp_path / "spec.json") == spec


def test_a_spec_with_a_relative_folder_is_refused(bench):
    fields = bench.spec().model_dump() | {"folder": "stages/x"}
    with pytest.raises(ValidationError, match="stages/x is relative"):
        StageSpec(**fields)


def test_exit_codes_tell_endings_apart():
    endings = [None, DataError("d"), Preempted("p"), BudgetExceeded("b"), KeyboardInterrupt()]
    assert [exit_code(error) for error in endings] == [0, 1, 75, 76, 75]


def test_these_rooms_import_nothing_heavy():
    code = (
        "import sys, vibethinker.runs.launch, vibethinker.runs.work\n"
        "print({'torch', 'pandas', 'numpy', 'prefect', 'mlflow', 'transformers'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
