# Loupe. `make` alone lists what can be made. Only Python 3.11 or newer is expected to be there.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
UV := 0.13.8
# TORCH=cpu takes PyTorch's build without CUDA: 1.5 GB on disk instead of 6.
TORCH ?=
# ARGS are passed on, for example make demo ARGS=--no-browser, make test ARGS="-k store", make bench ARGS=--quick
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint style unit browser bench clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.run ## train a small network on 5,000 digits, watch it learn in the browser; and an ImageNet network to test
	@exec $(BIN)/python -m app.launch --run recipes/demo.toml --beside recipes/pretrained.toml $(ARGS)

serve: $(VENV)/.run ## for hosting: the app and a worker on this machine (docs/hosting.md)
	@exec $(BIN)/python -m app.launch --serve $(ARGS)

test: style ## lint, types, and every test
	@$(BIN)/python -m tests.browser.chromium
	@# mypy beside the tests, which leave a core idle while they begin; what it says comes below theirs
	@said=$$(mktemp); $(BIN)/mypy >"$$said" 2>&1 & types=$$!; \
		trap "kill $$types 2>/dev/null" INT TERM; \
		$(TESTED) $(ARGS); tested=$$?; \
		wait $$types; typed=$$?; echo "mypy: $$(cat "$$said")"; rm -f "$$said"; \
		exit $$((tested ? tested : typed))
	@echo "make test: all passed"

lint: style ## ruff and mypy
	$(BIN)/mypy

style: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# One thread for PyTorch in each process; compiled modules are kept, since many processes import them.
TESTED := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

unit: $(VENV)/.test ## unit and page tests
	$(TESTED) -m "not browser" $(ARGS)

browser: $(VENV)/.test ## tests in a real Chromium or Chrome, which is found or installed
	@$(BIN)/python -m tests.browser.chromium
	$(TESTED) tests/browser $(ARGS)

bench: $(VENV)/.test ## the benchmarks, one after the other; some look at a run in artifacts/, which make demo makes
	@for file in benchmarks/*.py; do \
		case "$$file" in */__init__.py|*/made_cub.py) continue ;; esac; \
		echo "== $$file"; $(BIN)/python -m "benchmarks.$$(basename "$$file" .py)" $(ARGS) || exit 1; \
	done

clean: ## remove the environment and all caches; runs in artifacts/ and downloads/ stay
	rm -rf $(VENV) .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Kept: artifacts/ (your runs) and downloads/ (data sets). Delete them by hand if you want."

# The environments. Each is made again when its list of packages changes.

$(VENV)/.run: requirements.txt requirements-viewer.txt
	@VENV="$(VENV)" UV="$(UV)" TORCH="$(TORCH)" PYTHON="$(PYTHON)" sh .ci/environment requirements.txt
	@touch $@

$(VENV)/.test: requirements-dev.txt $(VENV)/.run
	@VENV="$(VENV)" UV="$(UV)" TORCH="$(TORCH)" PYTHON="$(PYTHON)" sh .ci/environment requirements-dev.txt
	@touch $@
