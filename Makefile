# Two commands for newcomers: `make demo` and `make test`. Each makes the virtual environment first; after that they are quick.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
INSIGHTS := .venv-insights
INSIGHTS_STAMP := $(INSIGHTS)/.installed

.PHONY: demo page test lint chaos faults rolling bench evaluate trained chart image lock sbom audit clean

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

# With KAFKA_HOME: three brokers of Apache Kafka, faults of processes, brokers and networks, a worker without a model, so
# that the client is the limit; a quarter of an hour. Without: the product's worker, killed and frozen, on what is there.
# CHAOS="--client confluent --static --seed 2" adds to either.
CHAOS ?=
STORM := --brokers 3 --documents 100000 --faults kill=12 stop=8 freeze=10 cut=8 delay=6 hole=8 broker=10
MILD := --documents 20000 --faults kill=3 freeze=3 --command "$(BIN)/enrich worker"
chaos: $(STAMP)
	$(BIN)/python -m tests.chaos $(if $(KAFKA_HOME),$(STORM),$(MILD)) $(CHAOS)

# What may happen to brokers, one thing at a time and with both clients; `make test` does the shorter half. Apache Kafka only.
faults: $(STAMP)
	TEST_ALL_FAULTS=1 $(BIN)/python -m pytest tests/chaos/test_brokers.py tests/transport/test_kafka_faults.py

# Three workers restarted one after another under load; needs an Apache Kafka, see tests/services.py.
rolling: $(STAMP)
	$(BIN)/python -m tests.chaos.rolling

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

# Every figure about speed, into docs/benchmarks: about three quarters of an hour on two quiet cores. FILE=... for documents of your own, JSON
# lines or a folder of such files; BENCHES="limit mix" for some of them. One that fails does not stop the others.
FILE ?=
BENCHES ?= limit throughput peers mix latency scale backlog exactly_once memory overhead
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

# Models trained on the recipes of benchmarks/recipes, and their scores. About an hour; two with TRAINED=--with-teachers.
TRAINED ?=
trained: $(STAMP)
	@test -d $(DATA) || { echo "make trained: there is no folder $(DATA); name one: make trained DATA=..." >&2; exit 2; }
	$(BIN)/python -m benchmarks.trained $(DATA) $(TRAINED) > docs/trained.md.new
	@mv docs/trained.md.new docs/trained.md
	@cat docs/trained.md

# The chart's golden files, rendered by Helm as a library. It asks for Python 3.12 and works on 3.11.
$(VENV)/.helm: $(STAMP)
	$(BIN)/python -m pip install --quiet --ignore-requires-python 'helm-sdkpy==0.1.32'
	@touch $@
chart: $(VENV)/.helm
	$(BIN)/python -m tests.deploy.chart

# A release names its base by digest: make image BASE_IMAGE=docker.io/library/python@sha256:... TARGET=cuda
TARGET ?= cpu
BASE_IMAGE ?= docker.io/library/python:3.11-slim-bookworm
image:
	docker build --file deploy/Dockerfile --target $(TARGET) --build-arg BASE_IMAGE=$(BASE_IMAGE) --tag enrich-workers:$(TARGET) .

# What the image installs, with hashes. `make lock UPGRADE=--upgrade` takes what is new. See docs/operating.md.
UPGRADE ?=
LOCK = $(VENV)/.supply/bin/uv pip compile --quiet pyproject.toml --extra confluent --extra openai --extra otel \
	--python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-header \
	--overrides deploy/image/overrides.txt $(UPGRADE)
lock: $(VENV)/.supply/.installed
	$(LOCK) --overrides deploy/image/overrides-cpu.txt --no-emit-package torch --output-file deploy/image/requirements-cpu.txt
	$(LOCK) --output-file deploy/image/requirements-cuda.txt
	$(VENV)/.supply/bin/uv pip compile --quiet --group insights --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
		--generate-hashes --no-header $(UPGRADE) --output-file deploy/image/requirements-insights.txt

# Tools that look at environments live in one of their own.
$(VENV)/.supply/.installed: $(STAMP)
	$(PYTHON) -m venv $(VENV)/.supply
	$(VENV)/.supply/bin/python -m pip install --quiet 'uv>=0.9' 'cyclonedx-bom>=7,<8' 'pip-licenses>=5,<6' 'pip-audit>=2.9,<3'
	@touch $@

# The bill of materials and the licences of what the image installs, into build/.
$(VENV)/.image/.installed: $(VENV)/.supply/.installed deploy/image/requirements-cpu.txt
	rm -rf $(VENV)/.image && $(PYTHON) -m venv --without-pip $(VENV)/.image
	$(VENV)/.supply/bin/uv pip install --quiet --python $(VENV)/.image/bin/python --no-deps --require-hashes -r deploy/image/requirements-cpu.txt
	$(VENV)/.supply/bin/uv pip install --quiet --python $(VENV)/.image/bin/python --no-deps $(if $(TORCH_INDEX),--index $(TORCH_INDEX)) torch==2.13.0 .
	@touch $@
sbom: $(VENV)/.image/.installed
	@mkdir -p build
	$(VENV)/.supply/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file build/sbom.cdx.json $(VENV)/.image/bin/python
	$(VENV)/.supply/bin/pip-licenses --python $(VENV)/.image/bin/python --format=markdown --order=license --output-file build/licences.md

audit: $(VENV)/.supply/.installed
	$(VENV)/.supply/bin/pip-audit --disable-pip --require-hashes --requirement deploy/image/requirements-cpu.txt
	$(VENV)/.supply/bin/pip-audit --disable-pip --require-hashes --requirement deploy/image/requirements-insights.txt

clean:
	rm -rf $(VENV) $(INSIGHTS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
