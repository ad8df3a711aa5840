# The words people type. `make help` lists them.

VERSION := $(shell sed -n 's/^\#define NNK_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' include/nnkit.h | paste -sd.)
PREFIX  ?= /usr/local
PYTHON  ?= python3
SWIFT   ?= swift
BUILD   := .build/release
DIST    := dist
VENV    := .venv
BENCH_VENV := $(VENV)-bench
LIBRARY := $(DIST)/lib/libnnkit.so
SOURCES := Package.swift Makefile $(shell find Sources include -name '*.swift' -o -name '*.h' -o -name '*.map' -o -name '*.c' -o -name '*.cpp')

.PHONY: help lib demo bench bench-kernels golden lint clean count-plans
.PHONY: test test-swift test-c test-python test-rust test-graphs test-torch test-attacks

help:                ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

lib: $(LIBRARY)      ## the shared library, its header and its pkg-config file, in dist/

$(LIBRARY): $(SOURCES)
	$(SWIFT) build -c release --product nnkit
	mkdir -p $(DIST)/lib/pkgconfig $(DIST)/include
	cp $(BUILD)/libnnkit.so $(LIBRARY).new && mv -f $(LIBRARY).new $(LIBRARY)  # programs that have the old one loaded keep it
	cp include/nnkit.h $(DIST)/include/
	printf '%s\n' 'prefix=$${pcfiledir}/../..' 'libdir=$${prefix}/lib' 'includedir=$${prefix}/include' '' \
	  'Name: nnkit' 'Description: trains and runs neural networks inside the program that loads it' \
	  'Version: $(VERSION)' 'Libs: -L$${libdir} -lnnkit' 'Cflags: -I$${includedir}' \
	  > $(DIST)/lib/pkgconfig/nnkit.pc

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip

# Installs the Python package with the library inside; again whenever one of them changes.
$(VENV)/installed: $(VENV)/bin/python $(LIBRARY) $(shell find bindings/python -name '*.py' -o -name '*.toml') \
  examples/demo/requirements.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r examples/demo/requirements.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps ./bindings/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check './bindings/python[plot,test]'
	touch $@

demo: $(VENV)/installed  ## trains a CNN and an LSTM on real data, runs them from C, draws demo/*.png
	$(VENV)/bin/python examples/demo/demo.py --library $(LIBRARY) --output demo

# Tests verify each plan that they make; a byte for each comes into this file.
PLANS := $(abspath .build/verified-plans)
test test-swift test-c test-python test-rust: export NNKIT_VERIFY_PLANS = $(PLANS)

test: count-plans test-swift test-c test-rust test-python  ## everything: Swift, C, Rust and Python, at every instruction-set level
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
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check ruff clang-format
	$(VENV)/bin/python -m ruff check bindings examples benchmarks Tests
	$(VENV)/bin/python -m ruff format --check bindings examples benchmarks Tests
	bindings/rust/lint.sh $(DIST) $(abspath .build/rust)
	$(VENV)/bin/clang-format --dry-run --Werror include/*.h $(shell find Sources Tests examples benchmarks -name '*.[ch]' -o -name '*.cpp')

clean:               ## removes everything that was built
	rm -rf .build $(DIST) $(VENV) $(VENV)-golden $(BENCH_VENV) demo benchmarks/results
