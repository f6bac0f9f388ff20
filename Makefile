# Each target that needs set-up does it itself; a second time it takes a second or two.
#
#   make setup                   .venv/bin/tcpmirror and .venv/bin/tcpmirror-supervisor, ready to use
#   make run [CONFIG=FILE]       the sensor in front, with its console (state in ./var unless CONFIG is given)
#   make test [ARGS=...]         the whole suite; ARGS go to pytest
#   make check                   formatting, types, layers and the quick tests: before every commit
#   make bench                   exchanges per CPU-second on traffic that it makes itself
#   make bench-detect ARGS=DIR  detection and its CPU on labelled requests, into docs/detection.md
#   make docs                    writes the generated pages of docs/ anew, and the site made of all of them to build/site
#   make release                 dist/: the installer for this architecture and Python, archive, SBOM, licences, checksums
#   make cycle                   that installer's whole life on a Debian booted by systemd (root, debootstrap; 2 minutes)
#   make clean                   removes what was built; `make distclean` also .venv

SHELL := /bin/bash
PYTHON_IN_VENV := .venv/bin/python
ARGS ?=
CONFIG ?=

.PHONY: setup run test check bench bench-detect docs release cycle clean distclean
.NOTPARALLEL:  # the targets share .venv and the compiled modules
.DEFAULT_GOAL := setup

setup:
	@scripts/setup.sh

run: setup
	@exec scripts/run.sh $(CONFIG)

test:
	@scripts/setup.sh --tests
	@$(PYTHON_IN_VENV) -m pytest -n auto --dist loadfile --complete $(ARGS)

check:
	@scripts/setup.sh --dev
	$(PYTHON_IN_VENV) -m ruff check .
	$(PYTHON_IN_VENV) -m ruff format --check .
	.venv/bin/lint-imports --no-logo
	$(PYTHON_IN_VENV) -m mypy
	$(PYTHON_IN_VENV) -m pytest -n auto -m "not live and not browser and not slow"

bench:
	@scripts/setup.sh --tests
	@$(PYTHON_IN_VENV) -m bench $(ARGS)

bench-detect:
	@scripts/setup.sh --tests
	@$(PYTHON_IN_VENV) -m bench.detection $(ARGS)

docs:
	@scripts/setup.sh --dev
	@scripts/docs.sh

release: setup
	@scripts/release.sh

cycle:
	@scripts/cycle.sh

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find tcpmirror tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
	find tcpmirror \( -name '*.so' -o -name '*.c' \) -delete

distclean: clean
	rm -rf .venv
