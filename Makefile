# make demo       the main job from nothing: environment, training, figures, export
# make test       environment with all three backends, the quick tests
# make test-full  every test on every backend: before a release
# make newest     the quick tests with the newest versions of everything, in .venv-newest
# make check      lint, types, the generated parts of the docs, the site
# make docs       the generated parts of the docs, anew
# make site       the documentation as a site in build/site

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
CONSTRAINTS ?= --constraint constraints.txt
BACKENDS := torch tensorflow jax

.PHONY: demo test test-full test-others newest check docs site results clean $(BACKENDS:%=test-%)

demo: $(VENV)/installed
	$(BIN)/kae demo

# Two processes side by side, one thread each: all tests with torch, and beside them those that depend on the
# backend with TensorFlow and then with JAX.
test: $(VENV)/installed-dev
	$(MAKE) --jobs=2 --output-sync=target --keep-going test-torch test-others

test-others:
	MAKEFLAGS=k $(MAKE) test-tensorflow test-jax

test-torch: ONLY =
test-tensorflow test-jax: ONLY = --backend-only
# All of TensorFlow's tests need several processes, one after the other: see --part in tests/conftest.py.
test-tensorflow: PARTS = $(if $(FULL),1/4 2/4 3/4 4/4,1/1)
test-torch test-jax: PARTS = 1/1
$(BACKENDS:%=test-%): test-%: $(VENV)/installed-dev
	status=0; for part in $(PARTS); do \
	    KERAS_BACKEND=$* OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --durations=10 --part=$$part \
	        $(if $(FULL),--full,$(ONLY)) $(RECORD:%=--record=docs/data/%-$*.json) || status=$$?; done; exit $$status

# Keeps its results in docs/data: docs/reliability.md shows them.
test-full: $(VENV)/installed-dev
	$(MAKE) test FULL=1 RECORD=tests

# What a new user gets today: nothing of constraints.txt.
newest:
	rm -rf .venv-newest
	$(MAKE) test VENV=.venv-newest CONSTRAINTS= RECORD=newest

check: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/cog --check --check-fail-msg "run: make docs" $(PAGES)
	$(MAKE) site

PAGES := README.md docs/*.md docs/*/*.md
docs: $(VENV)/installed-dev
	$(BIN)/cog -r $(PAGES)

# build/site/index.html; fails on a dead link, a tutorial that does not run, a public name that cannot be documented.
site: $(VENV)/installed-dev
	KERAS_BACKEND=torch OMP_NUM_THREADS=1 TQDM_DISABLE=1 $(BIN)/python -m mkdocs build --strict

# The runs behind the figures in the README: hours on two cores. MNIST must be at hand (KAE_DATA_DIR or kae data get mnist).
VARIANTS := conv-avgpool conv-k15 conv-k16 conv-unpool mlp
results: export OMP_NUM_THREADS := 1
results: $(VENV)/installed-dev
	for variant in $(VARIANTS); do $(BIN)/kae train $$variant --runs-dir runs/results --name $$variant || exit; done
	for backend in tensorflow jax; do \
	    $(BIN)/kae train conv-avgpool --backend $$backend --runs-dir runs/results --name conv-avgpool-$$backend || exit; done
	for variant in $(VARIANTS); do \
	    rate=$$([ $$variant = conv-k15 ] && echo "--learning-rate 0.003"); \
	    $(BIN)/kae train $$variant --dataset digits --epochs 40 $$rate --runs-dir runs/results --name digits-$$variant || exit; done
	$(BIN)/kae train conv-best --runs-dir runs/results --name conv-best
	$(BIN)/kae train conv-best --latent-dim 32 --runs-dir runs/results --name conv-best-32
	$(BIN)/kae train conv-best --noise gaussian:0.3 --runs-dir runs/results --name conv-best-noise
	$(BIN)/kae train vae-conv --runs-dir runs/results --name vae-conv
	for run in conv-best conv-best-32 conv-best-noise; do $(BIN)/kae evaluate $$run --runs-dir runs/results || exit; done
	$(BIN)/kae evaluate vae-conv --importance-samples 50 --runs-dir runs/results
	for variant in $(VARIANTS); do for recipe in fast best; do \
	    $(BIN)/kae train $$variant --recipe $$recipe --runs-dir runs/results --name $$variant-$$recipe || exit; done; done
	for run in $(VARIANTS) $(VARIANTS:%=digits-%); do for command in evaluate latent generate; do \
	    $(BIN)/kae $$command $$run --runs-dir runs/results || exit; done; done
	$(BIN)/kae figures conv-avgpool --runs-dir runs/results
	$(BIN)/kae runs --runs-dir runs/results --json | $(BIN)/python -m json.tool > docs/data/results.json
	rm -f docs/data/exports.jsonl
	for variant in $(VARIANTS); do for precision in float32 float16 int8; do \
	    $(BIN)/kae export onnx $$variant --precision $$precision --runs-dir runs/results --json >> docs/data/exports.jsonl || exit; done; done
	$(BIN)/kae bench infer --json | $(BIN)/python -m json.tool > docs/data/infer.json
	$(BIN)/kae bench train --json | $(BIN)/python -m json.tool > docs/data/train.json
	$(BIN)/kae bench train conv-avgpool --until 0.0079 --json | $(BIN)/python -m json.tool > docs/data/until.json
	$(BIN)/python tests/agreement.py > docs/data/agreement.json
	$(BIN)/kae bench startup --json | $(BIN)/python -m json.tool > docs/data/startup.json
	cd runs/results/conv-avgpool/figures && cp reconstructions.png classes.png map.png samples.png $(CURDIR)/docs/images/
	$(MAKE) docs

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(CONSTRAINTS) --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(CONSTRAINTS) --editable '.[dev]'
	touch $(VENV)/installed $@

clean:
	rm -rf .venv .venv-newest build dist *.egg-info
