# Two commands set up everything: make demo, make test. The rest are parts of them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
BENCH := bench
BOX := src/sononerve/installed/realtime.sono
APT := apt-get install --yes --no-install-recommends
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo install test test-packages test-slow lint types unit bench docs clean

demo: $(VENV)/.demo  ## Install, then the main job on phantom frames: data, train from the box, evaluate, predict, a page
	rm -rf $(DEMO)
	$(BIN)/sononerve phantom --subjects 60 --frames 4 --out $(DEMO)/phantom
	$(BIN)/sononerve train $(DEMO)/phantom --from realtime --budget 5m --out $(DEMO)/run
	$(BIN)/sononerve evaluate $(DEMO)/phantom --model $(DEMO)/run --out $(DEMO)/evaluation
	$(BIN)/sononerve predict $(DEMO)/phantom/images --model $(DEMO)/run --out $(DEMO)/masks
	@echo "Look at $(CURDIR)/$(DEMO)/evaluation/index.html"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[train]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[train,tensorboard,zoo,openvino,dev]'
	touch $@ $(VENV)/.demo

install: $(VENV)/.demo  ## Only make .venv and install

test: lint types unit  ## Lint, types, tests

test-packages:  ## Debian packages that tests need: chromium, which opens the report
	command -v chromium > /dev/null || $(APT) chromium || (apt-get update && $(APT) chromium)

lint: $(VENV)/.test
	$(BIN)/ruff format --check src tests benchmarks scripts docs
	$(BIN)/ruff check src tests benchmarks scripts docs

types: $(VENV)/.test
	$(BIN)/mypy

unit: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" --numprocesses auto --maxprocesses 8 --dist loadfile

test-slow: $(VENV)/.test  ## The tests that train for minutes
	$(BIN)/pytest -m slow

bench: $(VENV)/.test  ## How fast the model in the box runs here, on drawn frames; others of benchmarks/ say what they need
	rm -rf $(BENCH)
	$(BIN)/sononerve phantom --out $(BENCH)/drawn --subjects 60 --frames 4 --set height=542 --set width=562
	$(BIN)/sononerve phantom --out $(BENCH)/moving --subjects 4 --frames 150 --video --set height=542 --set width=562
	$(BIN)/python benchmarks/engines.py --out $(BENCH)/engines.json --model $(BOX) --data $(BENCH)/drawn
	$(BIN)/python benchmarks/realtime.py --out $(BENCH)/realtime.json --model $(BOX) --clips $(BENCH)/moving/clips
	$(BIN)/python benchmarks/against.py --out $(BENCH)/against.json --model $(BOX) --frames $(BENCH)/drawn/images

docs: $(VENV)/.test  ## Write docs/reference from the code
	$(BIN)/python docs/make_reference.py

clean:
	rm -rf $(VENV) $(DEMO) $(BENCH)
