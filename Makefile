# Two commands for newcomers: `make demo` and `make test`. Each makes the virtual environment first; after that they are quick.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
INSIGHTS := .venv-insights
INSIGHTS_STAMP := $(INSIGHTS)/.installed

.PHONY: demo page test lint chaos bench evaluate trained clean

demo: $(STAMP)
	@$(BIN)/enrich demo

test: $(STAMP) $(INSIGHTS_STAMP) lint
	$(BIN)/python -m pytest -q

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/enrich schema --check

# Faust and huggingface-hub cannot share an environment (docs/decisions/0015): the insights application has one of its own,
# small and without a model. A minute.
page: $(STAMP) $(INSIGHTS_STAMP)
	@$(BIN)/enrich demo --keep

$(INSIGHTS_STAMP): pyproject.toml
	$(PYTHON) -m venv $(INSIGHTS)
	$(INSIGHTS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(INSIGHTS)/bin/python -m pip install --quiet --group insights
	$(INSIGHTS)/bin/python -m pip install --quiet --no-deps -e .
	@touch $@

chaos: $(STAMP)
	$(BIN)/python -m tests.chaos --documents 20000 --workers 3 --kills 3 --freezes 3 --command "$(BIN)/enrich worker"

# Linux wheels of torch bring gigabytes of CUDA. Without a GPU:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("enrich needs Python 3.11 or newer: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet 'torch>=2.13,<2.14' $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

# Every figure about speed, into docs/benchmarks: an hour or two on two cores. FILE=... for documents of your own, JSON
# lines or a folder of such files; BENCHES="limit mix" for some of them. One that fails does not stop the others.
FILE ?=
BENCHES ?= limit throughput peers mix latency scale exactly_once memory overhead
bench: $(STAMP)
	@failed=; for name in $(BENCHES); do \
		echo "## $$name"; $(BIN)/python -m benchmarks.$$name $(FILE) || failed="$$failed $$name"; \
	done; \
	if [ -n "$$failed" ]; then echo "make bench: failed:$$failed" >&2; exit 1; fi

# The packaged model on the test sets of a folder with ner/, relations/, classification/, summarization/. Minutes.
DATA ?= ../shared/data
MODEL ?= default
evaluate: $(STAMP)
	@test -d $(DATA) || { echo "make evaluate: there is no folder $(DATA); name one: make evaluate DATA=..." >&2; exit 2; }
	$(BIN)/enrich evaluate $(MODEL) --standard $(DATA) --speed --table > docs/evaluation.md.new
	@mv docs/evaluation.md.new docs/evaluation.md
	@cat docs/evaluation.md

# Models trained on the recipes of benchmarks/recipes, and their scores. About an hour.
trained: $(STAMP)
	@test -d $(DATA) || { echo "make trained: there is no folder $(DATA); name one: make trained DATA=..." >&2; exit 2; }
	$(BIN)/python -m benchmarks.trained $(DATA) > docs/trained.md.new
	@mv docs/trained.md.new docs/trained.md
	@cat docs/trained.md

clean:
	rm -rf $(VENV) $(INSIGHTS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
