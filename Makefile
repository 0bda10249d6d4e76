# Laoshi: `make up` starts it, `make test` proves it. Both install what they need into .venv.
PYTHON ?= python3
BIN := .venv/bin
DEV := $(PYTHON) config/install.py requirements.txt requirements-dev.txt

.DEFAULT_GOAL := help
.PHONY: help up test lint types format clean

help: ## show these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

up: ## start Laoshi on http://localhost:8000 (PORT=8001 for another port); Ctrl-C stops it
	@$(PYTHON) config/install.py requirements.txt && exec $(BIN)/python -m config.up

test: ## run every test; ARGS="-k name" for some (DATABASE_URL, REDIS_URL: on those services)
	@$(DEV) && $(BIN)/python -m tests.chromium
	@$(BIN)/python -m pytest -n logical --dist loadfile $(ARGS)

lint: ## check style and formatting
	@$(DEV)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: ## check types
	@$(DEV)
	@SECRET_KEY=unused $(BIN)/mypy .

format: ## mend style and formatting
	@$(DEV)
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean: ## remove .venv and caches; what is in var/ stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
