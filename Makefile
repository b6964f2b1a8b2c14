# One environment, .venv, serves demo and test. `make demo` installs what the node needs; `make test` adds torch and tools.
# In .venv the checkout's Python always wins over the installed copy, so editing needs no reinstall; messages need one.
PYTHON ?= python3
BIN := .venv/bin
DECLARED := setup.py pyproject.toml package.xml CMakeLists.txt $(wildcard cmake/* msg/*.msg)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CHECKOUT_FIRST := cd .venv/lib/python3*/site-packages && echo 'import sys; sys.path.insert(0, "$(CURDIR)")' > getok_checkout.pth

.PHONY: setup demo soak test lint clean

setup: .venv/.test

demo: .venv/.runtime
	$(BIN)/getok demo $(if $(BAG),--bag "$(BAG)") $(if $(VIDEO),--video "$(VIDEO)")

soak: .venv/.test
	$(BIN)/getok soak $(if $(MINUTES),--minutes $(MINUTES))

test: .venv/.test
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

clean:
	rm -rf .venv build install log dist *.egg-info demo_out .pytest_cache .hypothesis .ruff_cache

.venv/.runtime: $(DECLARED) | $(BIN)/python
	$(PIP) '.[film]'
	$(CHECKOUT_FIRST)
	touch $@

.venv/.test: $(DECLARED) | $(BIN)/python
	$(PIP) '.[test]'
	$(CHECKOUT_FIRST)
	touch .venv/.runtime $@

$(BIN)/python:
	$(PYTHON) -m venv .venv
