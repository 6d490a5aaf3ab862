# Every target installs what it needs into .venv; nothing needs to be activated or downloaded by hand.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do $$p -c 'import venv' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
USABLE := .venv/usable
READY := .venv/ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
TEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: install demo test test-all test-gpu lint docs bench bench-gpu clean

install: $(READY)

# danlu with the extra `demo`
$(USABLE): pyproject.toml constraints.txt tools/install_torch.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "danlu needs Python 3.11 or later; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (a few minutes the first time)"
	@$(BIN)/python tools/install_torch.py constraints.txt
	@$(PIP) -c constraints.txt -e '.[demo]'
	@touch $@

# the extra `dev`, for tests and lint
$(READY): $(USABLE)
	@$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(USABLE)
	$(BIN)/danlu demo

test: $(READY)
	OMP_NUM_THREADS=1 $(TEST) -m "not slow and not gpu" --hypothesis-profile=quick

test-all: $(READY)
	OMP_NUM_THREADS=1 $(TEST) -m "not gpu"

test-gpu: $(READY)
	$(BIN)/python -m pytest -m gpu

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python tools/write_reference.py docs/reference
	$(BIN)/python tools/write_comparison.py docs/comparison

bench: $(READY)
	@$(BIN)/python -c 'import accelerate, sentence_transformers' 2>/dev/null || $(PIP) -c constraints.txt -e '.[bench]'
	$(BIN)/python -m bench

bench-gpu: $(READY)
	$(BIN)/python -m bench.gpu

clean:
	rm -rf .venv runs .pytest_cache .hypothesis .ruff_cache .import_linter_cache
