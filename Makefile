# Thin names for real commands. All paths are relative, so that the folder may be called anything.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3

# DVC runs `python` for each stage: it must be the environment's.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv

.PHONY: help setup repro feasibility test check ui bench clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/installed  ## make .venv and install requirements.txt

repro: .venv/installed  ## run the pipeline and print its scores; what a killed dvc left broken is mended first
	@python -m pipeline mend
	dvc repro
	@python -m pipeline summary

feasibility: .venv/installed  ## go, collect more of what, or stop? A page that says it, in reports/feasibility.html
	@python -m pipeline mend
	dvc repro feasibility/dvc.yaml

# Two files at once: much of the time is waiting, for servers and for packages to load. In their order: those of few but
# long tests come first, and none is left alone at the end.
test: .venv/installed-dev  ## run all tests
	python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: .venv/installed-dev  ## lint, format and types
	ruff check .
	ruff format --check .
	mypy

ui: .venv/installed  ## start the tracker's UI and say where it shows the runs (one worker is plenty for one person)
	@echo "runs: http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=runs"
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --workers 1

# Others in benchmarks/ take longer, or want photographs; the first lines of each say how it is run.
bench: .venv/installed-dev  ## how fast, ours beside a peer's: decoding, batches, the training step, predicting
	for name in resize loader train_step predict; do echo "== $$name"; python "benchmarks/$$name.py" || exit 1; done

clean:  ## remove the environment and what tools left; data, models, reports and the tracker's store stay
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache dvc_plots *.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "error: $(PYTHON): wanted Python 3.11 or later; choose another with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: $(PYTHON): wanted its module venv, found none; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt pyproject.toml | .venv/bin/python
	python -m pip install --upgrade pip
	python -m pip install -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	python -m pip install -r requirements-dev.txt
	@touch $@
