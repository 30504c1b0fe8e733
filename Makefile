# Each target calls one tool. The virtual environment is made on first use, and filled again only when a file in
# requirements/ has changed: with local.txt for what only runs things, with dev.txt (which holds all of it) for the rest.
PYTHON ?= python3
BIN := .venv/bin
DEV := .venv/dev.stamp
LOCAL := $(if $(wildcard $(DEV)),$(DEV),.venv/local.stamp)
IMAGES := webhook-gateway ingestor previewer media-server cli simulator
# With COMPOSE=1 the operator's commands run in a container of docker-compose.yml and need nothing on this machine. Compose
# looks at the output alone to see whether there is a terminal; what is piped in needs --no-TTY. A container's environment
# can be read by whoever may inspect it, so an access token in ours is piped in, too.
ATTACHE := $(if $(COMPOSE),docker compose run --rm $$([ -t 0 ] || echo --no-TTY) attache,$(BIN)/attache)
INSTALLED := $(if $(COMPOSE),,$(LOCAL))
TOKEN_INTO := $(if $(and $(COMPOSE),$(WHATSAPP_ACCESS_TOKEN)),printf %s "$$WHATSAPP_ACCESS_TOKEN" |)
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup demo run up down logs ps secrets test test-compose doctor instances instance-set dlq dlq-replay dlq-purge retry retry-failed storage-prune previews-rebuild retention backup restore reencrypt bench chaos fuzz lint format typecheck lock
.DELETE_ON_ERROR:

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(DEV)  ## install everything that tests and checks need

demo: $(LOCAL)  ## the whole pipeline on this machine with a WhatsApp simulator; DEMO_EXIT=1 ends after the table
	@$(BIN)/python -m local_stack demo

run: $(LOCAL)  ## the four services on this machine, settings from .env
	@$(BIN)/python -m local_stack run

up:  ## with Docker Compose: build, start, wait until all is healthy, print the addresses; DEMO=1 adds the simulator
	@DEMO="$(DEMO)" deploy/compose.sh up

down:  ## stop what `make up` started; data and secrets stay
	@deploy/compose.sh down

logs:  ## [SERVICE=]: follow the containers' logs; Ctrl-C stops
	@deploy/compose.sh logs $(SERVICE)

ps:  ## the containers, and whether they are healthy
	@deploy/compose.sh ps

secrets:  ## make what is missing in secrets/ and say what a person has to put in; overwrites nothing
	@PYTHONPATH=deploy/secrets $(PYTHON) -m secret_files

test: $(DEV)  ## all tests, with a real RabbitMQ and MongoDB; ARGS="-k name" for some
	@$(BIN)/python -m pytest $(ARGS)

test-compose: $(DEV)  ## build the images, start all, send the demo set, restart everything, stop; needs Docker; about 7 minutes
	@$(BIN)/python -m tests.compose $(ARGS)

doctor: $(INSTALLED)  ## check settings, servers, storage, clocks, tokens and links, and say what is wrong
	@$(ATTACHE) doctor

instances: $(INSTALLED)  ## the WhatsApp numbers whose media can be fetched, and those that Meta refuses
	@$(ATTACHE) instances

instance-set: $(INSTALLED)  ## NUMBER= [NAME=] [DEFAULT=1]: save a number's access token, read from standard input
	@$(TOKEN_INTO) $(ATTACHE) instance-set "$(NUMBER)" $(if $(NAME),--name "$(NAME)") $(if $(DEFAULT),--default)

dlq: $(INSTALLED)  ## counts and newest reasons of every dead-letter queue
	@$(ATTACHE) dlq list

dlq-replay: $(INSTALLED)  ## [QUEUE=] [CODE=] [NUMBER=] [LIMIT=]: have dead letters worked off once more; Ctrl-C stops
	@$(ATTACHE) dlq replay $(if $(QUEUE),--queue "$(QUEUE)") $(if $(CODE),--code "$(CODE)") $(if $(NUMBER),--number "$(NUMBER)") $(if $(LIMIT),--limit "$(LIMIT)")

dlq-purge: $(INSTALLED)  ## QUEUE= [EXPIRED=1] [YES=1]: remove a queue's dead letters for good (only those past their deadline); asks first
	@$(ATTACHE) dlq purge "$(QUEUE)" $(if $(EXPIRED),--expired) $(if $(YES),--yes)

retry: $(INSTALLED)  ## ID=: try one attachment again now, by our id or the wamid
	@$(ATTACHE) retry "$(ID)"

retry-failed: $(INSTALLED)  ## [CODE=] [NUMBER=] [SINCE=12h]: try again all that failed, nearest deadline first
	@$(ATTACHE) retry-failed $(if $(CODE),--code "$(CODE)") $(if $(NUMBER),--number "$(NUMBER)") $(if $(SINCE),--since "$(SINCE)")

storage-prune: $(INSTALLED)  ## [OLDER_THAN=30d] [APPLY=1]: remove files that no attachment needs; shows them unless APPLY=1
	@$(ATTACHE) storage prune $(if $(OLDER_THAN),--older-than "$(OLDER_THAN)") $(if $(APPLY),--apply)

previews-rebuild: $(INSTALLED)  ## [KIND=] [NUMBER=] [FAILED=1] [APPLY=1]: after an upgrade, make older previews anew; shows them unless APPLY=1
	@$(ATTACHE) previews rebuild $(if $(KIND),--kind "$(KIND)") $(if $(NUMBER),--number "$(NUMBER)") $(if $(FAILED),--failed) $(if $(APPLY),--apply)

retention: $(INSTALLED)  ## OLDER_THAN= [KIND=] [NUMBER=] [APPLY=1] [YES=1]: remove attachments by age; shows them unless APPLY=1, asks first
	@$(ATTACHE) retention --older-than "$(OLDER_THAN)" $(if $(KIND),--kind "$(KIND)") $(if $(NUMBER),--number "$(NUMBER)") $(if $(APPLY),--apply) $(if $(YES),--yes)

backup: $(INSTALLED)  ## TO=: write documents, credentials and files into a folder
	@$(ATTACHE) backup "$(TO)"

restore: $(INSTALLED)  ## FROM= [CHECK=1] [REPLACE=1]: bring back what `make backup` wrote; CHECK=1 only says whether it is whole
	@$(ATTACHE) restore "$(FROM)" $(if $(CHECK),--check) $(if $(REPLACE),--replace) $(if $(YES),--yes)

reencrypt: $(INSTALLED)  ## encrypt all that is saved encrypted anew, with the first of CREDENTIALS_ENCRYPTION_KEY
	@$(ATTACHE) reencrypt

bench: $(DEV)  ## figures of this machine, side by side with what they are compared to; below 10 minutes
	@$(BIN)/python -m tests.bench

chaos: $(DEV)  ## [N=5000] [SEED=]: kill, cut, fill and refuse everything, then account for every attachment
	@$(BIN)/python -m tests.chaos $(if $(N),--count "$(N)") $(if $(SEED),--seed "$(SEED)")

fuzz: $(DEV)  ## [N=20000] [SEED=]: damage good files of every kind and have them rendered; none may find a defect
	@$(BIN)/python -m tests.hostile.fuzz $(if $(N),--count "$(N)") $(if $(SEED),--seed "$(SEED)")

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
