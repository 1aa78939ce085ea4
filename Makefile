# Every target is a line or two; the work is done in workbench/ and tools/.

PYTHON ?= python3
CHAPTER ?= 01
PORT ?= 8000
BROKER ?= redis
BACKEND ?= redis
export CHAPTER PORT BROKER BACKEND
# Keeps compiled files out of the chapters. Compiling anew in each process takes most of its start,
# so a machine that forbids it (some containers do) is overruled here.
export PYTHONPYCACHEPREFIX := $(CURDIR)/var/pycache
unexport PYTHONDONTWRITEBYTECODE
# Keeps what they write out of your home.
export IPYTHONDIR := $(CURDIR)/var/ipython
export MPLCONFIGDIR := $(CURDIR)/var/matplotlib

# Asked here, since an old Python couldn't even read the script that follows.
IS_NEW := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
TOO_OLD := $(PYTHON) is missing or older than Python 3.11: install a newer one and name it, as in: make run PYTHON=python3.12
# A Python that was asked for by name must be the one in .venv; otherwise any that fits will do.
ENV := @$(IS_NEW) || { echo "$(TOO_OLD)" >&2; exit 2; }; $(PYTHON) workbench/bootstrap.py $(if $(filter file,$(origin PYTHON)),,--this-python)
RUN := $(ENV) requirements-run.txt
ALL := $(ENV) requirements.txt
WORKBENCH := @exec .venv/bin/python -m workbench
TOOLS := @exec .venv/bin/python -m tools

# A chapter's tests, if one was asked for by name.
ONE_CHAPTER := $(if $(filter file,$(origin CHAPTER)),,--chapter=$(CHAPTER))

.DEFAULT_GOAL := help
.PHONY: help run redis check doctor reset notebook slides guide offline newest test test-slow format notebooks samples lock clean

help:       ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

run:        ## start a chapter: CHAPTER=01 PORT=8000 BROKER=redis BACKEND=redis PYTHON=python3
	$(RUN)
	$(WORKBENCH) run

redis:      ## start a Redis alone, for those who type the rest by hand: REDIS_PORT=6379
	$(RUN)
	$(WORKBENCH) redis

check:      ## check your exercises: CHAPTER=01, and WATCH=1 to check again on save
	$(RUN)
	$(WORKBENCH) check

doctor:     ## find out what is wrong, and what mends it: CHAPTER=02 BROKER_URL=... TASK=id GIVE_UP=1 JSON=1
	$(RUN)
	$(WORKBENCH) doctor $(if $(filter file,$(origin CHAPTER)),,$(CHAPTER))

reset:      ## start a chapter again, and keep what you had: CHAPTER=02
	$(RUN)
	$(WORKBENCH) reset $(if $(filter file,$(origin CHAPTER)),'',$(CHAPTER))

notebook:   ## open a chapter's notebook in JupyterLab: CHAPTER=01, NOTEBOOK_PORT=8888
	$(RUN)
	@.venv/bin/python -m workbench notebook --check
	$(ALL)
	$(WORKBENCH) notebook

slides:     ## make slides of the notebooks, for a room without network
	$(ALL)
	$(TOOLS) slides

guide:      ## make a page, without network, that finds the words on your screen in the field guide
	$(ALL)
	$(TOOLS) guide

offline:    ## fill a folder for a room without network: FOLDER=stick PYTHONS="3.12 3.13" SYSTEMS=linux-x86_64
	$(RUN)
	$(TOOLS) offline

test:       ## prove that everything holds, in about three minutes; or one chapter: CHAPTER=03
	$(ALL)
	@exec .venv/bin/python -m pytest $(ONE_CHAPTER)

test-slow:  ## prove what takes longer; or one chapter's: CHAPTER=03
	$(ALL)
	@exec .venv/bin/python -m pytest -m slow $(ONE_CHAPTER)

format:     ## format and mend the code
	$(ALL)
	@.venv/bin/ruff check --fix --quiet && .venv/bin/ruff format

notebooks:  ## write the notebooks anew from their sources, and run them
	$(ALL)
	@$(foreach source,$(wildcard notebooks/[0-9]*.py),.venv/bin/jupytext --quiet --to ipynb --execute --run-path notebooks $(source) &&) true

samples:    ## draw the sample photos again
	$(ALL)
	$(TOOLS) samples $$(find chapters -path '*/static/samples')

lock:       ## write both locks anew from requirements.in: UPGRADE=1 for the newest versions
	$(ALL)
	$(TOOLS) lock

newest:     ## run all tests with the newest versions of everything, in an environment of their own
	$(ALL)
	$(TOOLS) newest

clean:      ## delete what runs and tests have left in var/; what `make reset` kept stays
	@for thing in var/* chapters/*/var; do [ "$$thing" = var/kept ] || rm -rf "$$thing"; done
