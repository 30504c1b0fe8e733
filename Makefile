# Each target calls one tool. The virtual environment is made on first use, and filled again only when a file in
# requirements/ has changed: with local.txt for what only runs things, with dev.txt (which holds all of it) for the rest.
PYTHON ?= python3
BIN := .venv/bin
DEV := .venv/dev.stamp
LOCAL := $(if $(wildcard $(DEV)),$(DEV),.venv/local.stamp)
IMAGES := webhook-gateway ingestor previewer media-server
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup demo run test instances instance-set dlq dlq-replay dlq-purge retry retry-failed storage-prune bench chaos lint format typecheck lock
.DELETE_ON_ERROR:

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(DEV)  ## install everything that tests and checks need

demo: $(LOCAL)  ## the whole pipeline on this machine with a WhatsApp simulator; DEMO_EXIT=1 ends after the table
	@$(BIN)/python -m local_stack demo

run: $(LOCAL)  ## the four services on this machine, settings from .env
	@$(BIN)/python -m local_stack run

test: $(DEV)  ## all tests, with a real RabbitMQ and MongoDB; ARGS="-k name" for some
	@$(BIN)/python -m pytest $(ARGS)

instances: $(LOCAL)  ## the WhatsApp numbers whose media can be fetched, and those that Meta refuses
	@$(BIN)/attache instances

instance-set: $(LOCAL)  ## NUMBER= [NAME=] [DEFAULT=1]: save a number's access token, read from standard input
	@$(BIN)/attache instance-set "$(NUMBER)" $(if $(NAME),--name "$(NAME)") $(if $(DEFAULT),--default)

dlq: $(LOCAL)  ## counts and newest reasons of every dead-letter queue
	@$(BIN)/attache dlq list

dlq-replay: $(LOCAL)  ## [QUEUE=] [CODE=] [NUMBER=] [LIMIT=]: have dead letters worked off once more; Ctrl-C stops
	@$(BIN)/attache dlq replay $(if $(QUEUE),--queue "$(QUEUE)") $(if $(CODE),--code "$(CODE)") $(if $(NUMBER),--number "$(NUMBER)") $(if $(LIMIT),--limit "$(LIMIT)")

dlq-purge: $(LOCAL)  ## QUEUE= [EXPIRED=1] [YES=1]: remove a queue's dead letters for good (only those past their deadline); asks first
	@$(BIN)/attache dlq purge "$(QUEUE)" $(if $(EXPIRED),--expired) $(if $(YES),--yes)

retry: $(LOCAL)  ## ID=: try one attachment again now, by our id or the wamid
	@$(BIN)/attache retry "$(ID)"

retry-failed: $(LOCAL)  ## [CODE=] [NUMBER=] [SINCE=12h]: try again all that failed, nearest deadline first
	@$(BIN)/attache retry-failed $(if $(CODE),--code "$(CODE)") $(if $(NUMBER),--number "$(NUMBER)") $(if $(SINCE),--since "$(SINCE)")

storage-prune: $(LOCAL)  ## [OLDER_THAN=30d] [APPLY=1]: remove files that no attachment needs; shows them unless APPLY=1
	@$(BIN)/attache storage prune $(if $(OLDER_THAN),--older-than "$(OLDER_THAN)") $(if $(APPLY),--apply)

bench: $(DEV)  ## figures of this machine, side by side with what they are compared to; below 10 minutes
	@$(BIN)/python -m tests.bench

chaos: $(DEV)  ## [N=5000] [SEED=]: kill, cut, fill and refuse everything, then account for every attachment
	@$(BIN)/python -m tests.chaos $(if $(N),--count "$(N)") $(if $(SEED),--seed "$(SEED)")

lint: $(DEV)  ## style, format and the direction of imports
	@$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/lint-imports

format: $(DEV)  ## put the code into the format that lint asks for
	@$(BIN)/ruff check --fix && $(BIN)/ruff format

typecheck: $(DEV)  ## mypy, strict
	@$(BIN)/mypy

lock: $(DEV)  ## pin what pyproject.toml asks for; UPGRADE=1 takes the newest versions
	@$(LOCK) --extra local --group dev --output-file requirements/dev.txt
	@$(LOCK) --extra local --group build --constraint requirements/dev.txt --output-file requirements/local.txt
	@$(foreach image,$(IMAGES),$(LOCK) --extra $(image) --constraint requirements/dev.txt --output-file requirements/$(image).txt &&) true

.venv/%.stamp: requirements/%.txt | $(BIN)/python
	@echo "Installing requirements/$*.txt"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv .venv >&2 || { rm -rf .venv; echo "python3 cannot make virtual environments (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
