# `make run` and `make test` need Python 3.11+ and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Python compiles what is imported; all that is installed would take half a minute more.
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt
# `make run CPU=1` installs PyTorch and ONNX Runtime without CUDA's libraries.
CPU_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := torch torchvision
# pip cannot be told to take onnxruntime where onnxruntime-gpu is asked for.
define REQUIREMENTS
import tomllib
with open('pyproject.toml', 'rb') as file:
    wanted = tomllib.load(file)['project']['dependencies']
print(*(each for each in wanted if not each.startswith('onnxruntime')), 'onnxruntime', sep='\n')
endef
export REQUIREMENTS

.PHONY: run test test-import check format docs images bench gpu-check adapters peers chromium clean
.DEFAULT_GOAL := test

run: $(VENV)/.harness  ## run the embedded suite and print its leaderboard
	$(BIN)/harness run --suite digits18
	$(BIN)/harness leaderboard

# Hundreds of processes import torch: compiled once, that is half the time.
test: check chromium  ## everything that CI runs
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= \
	  $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=10

test-import: $(VENV)/.dev  ## the import of TensorFlow's graphs and checkpoints, with TensorFlow
	$(PIP) -e '.[dev,paper]'
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest tests/plugins/harness_su2018 tests/plugins/harness_slim

check: $(VENV)/.dev  ## style, types, arrows between the rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.dev  ## the documentation as a site in build/site, without network
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

FRONTIER := frontier-cw-random-ln-error
images: $(VENV)/.dev  ## the frontier of README and docs, from the database of `make run`
	for theme in light dark; do \
	  $(BIN)/harness report --suite digits18 --output build/report --images 0 \
	    --figures $(FRONTIER) --theme $$theme || exit; \
	  cp build/report/figures/$(FRONTIER).svg docs/images/frontier-$$theme.svg || exit; \
	done

bench: $(VENV)/.dev  ## the figures of the README: overhead against a bare loop, start-up
	$(BIN)/harness run --suite digits18
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/overhead.py

gpu-check: $(VENV)/.dev  ## where a GPU is: the same statuses as on the CPU, overhead, speed, memory
	$(BIN)/python benchmarks/gpu_check.py

adapters: $(VENV)/.harness  ## other libraries' attacks by name: docs/adapters.md
	$(PIP) -e '.[adapters,robustbench]'
	$(PIP) --no-deps $(APART)

peers: $(VENV)/.harness  ## our attacks against other libraries': half an hour on two cores
	$(PIP) -e '.[adapters,bench,robustbench]'
	$(PIP) --no-deps $(APART)
	$(BIN)/python -W ignore benchmarks/peers.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is needed: make PYTHON=python3.11 ...' >&2; exit 3; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.harness: $(VENV)/bin/python pyproject.toml constraints.txt
ifeq ($(CPU),1)
	@$(PIP) --retries 1 --dry-run --no-deps --index-url $(CPU_INDEX) $(TORCH) >/dev/null 2>&1 \
	  || { echo 'CPU=1: $(CPU_INDEX) does not offer $(TORCH) at the pinned versions:' \
	  'choose another index (CPU_INDEX=URL), or leave CPU=1 out' >&2; exit 3; }
	$(PIP) --no-deps --index-url $(CPU_INDEX) $(TORCH)
	$(BIN)/python -c "$$REQUIREMENTS" | $(PIP) -r /dev/stdin
	$(PIP) --no-deps -e .
else
	$(PIP) -e .
endif
	@touch $@

# Their own requirements are older than ours, or do not build.
APART := adversarial-robustness-toolbox==1.20.1 adv-lib==0.2.8 torchattacks==3.5.1 robustbench==1.1.1

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps $(APART)
	@touch $(VENV)/.harness $@

chromium:  ## for the tests of the report's page; only root on Debian can install it here
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || echo 'no chromium: the tests of the report page will be skipped' >&2

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
