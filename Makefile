# The front door: one target is one command that also works alone. Generated things go to build/.

ACC      ?= 16        ## accumulator width P, 2 to 64
LAYER    ?=           ## sim: a layer file (.npz) in place of the shipped ones
INPUTS   ?=           ## sim: labelled inputs (.npz) for LAYER
PE       ?=           ## sim: output rows at once in the mvau; must divide MH
SIMD     ?=           ## sim: input columns at once in the mvau; must divide MW
OVERFLOW ?= wrap      ## sim: wrap or saturate
STALL    ?=           ## sim: e.g. weight=random-30,output=bursts-4-7
SIM      ?= verilator ## sim, repro: verilator or icarus
SEED     ?= 1         ## sim: seed of everything random
JSON     ?=           ## sim, bench: write the verdict, the numbers to this file as well
WAVES    ?=           ## sim, repro: 1 keeps the waves
CASE     ?=           ## repro: the case.json to play again
ARGS     ?=           ## test, peer: more arguments for pytest; train, bench, experiments: for a2q
PYTHON   ?= python3   ## the Python that makes the virtual environment

BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help sim test peer repro train bench experiments lint format setup clean

help: ## list targets, and the variables that may be set
	@echo "make TARGET [VARIABLE=value ...]"; echo
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:[^#]*## /## /' | awk -F'## ' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo
	@grep -hE '^[A-Z]+ +\?=' Makefile | sed -E 's/ *\?= */ = /; s/ *## */## /' | awk -F'## ' '{printf "  %-22s %s\n", $$1, $$2}'

sim: .venv/light ## the main job: play the trained layers through the RTL at P=ACC, and judge
	@$(BIN)/a2q sim --acc $(call quoted,ACC) --sim $(call quoted,SIM) --seed $(call quoted,SEED) \
	  --overflow $(call quoted,OVERFLOW) --stall $(call quoted,STALL) \
	  $(call option,layer,LAYER) $(call option,inputs,INPUTS) \
	  $(call option,pe,PE) $(call option,simd,SIMD) $(call option,json,JSON) $(waves)

test: .venv/test .venv/train .venv/experiments ## all tests: golden model, training, testbench, both simulators
	@$(BIN)/pytest -n auto -m "not peer" $(ARGS)

peer: .venv/test .venv/train .venv/peer ## compare our quantizers with those of Brevitas
	@$(BIN)/pytest -n auto -m peer $(ARGS)

repro: .venv/light ## play a failed case again, from its file alone: CASE=build/failures/.../case.json
	@$(BIN)/a2q repro --sim $(call quoted,SIM) $(waves) -- $(call quoted,CASE)

train: .venv/train ## train the shipped layers again (minutes; goes on where it was interrupted)
	@$(BIN)/a2q train $(ARGS)

bench: .venv/train .venv/peer ## time our quantizers against plain QAT and Brevitas (minutes)
	@$(BIN)/a2q bench $(call option,json,JSON) $(ARGS)

experiments: .venv/train .venv/experiments ## what A2Q's parts do, in tables and plots (minutes; goes on as well)
	@$(BIN)/a2q experiments $(ARGS)

lint: .venv/test .venv/lint ## ruff, mypy, and both lint gates over the RTL
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/a2q lint

format: .venv/lint ## bring the Python code into shape
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

setup: .venv/light .venv/test .venv/train .venv/experiments .venv/peer .venv/lint ## install everything at once (the others do as needed)

clean: ## remove everything that was generated
	rm -rf build

# A variable as one word of the shell, whatever is in it.
quoted = '$(subst ','\'',$(strip $($1)))'
option = $(if $(strip $($2)),--$1=$(call quoted,$2))
waves = $(if $(filter-out 0,$(strip $(WAVES))),--waves)

# One stamp per set of packages; a set is installed again when pyproject.toml changes.
.venv/light: pyproject.toml
	@$(PYTHON) sim/prerequisites.py
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/test .venv/train .venv/experiments .venv/peer .venv/lint: .venv/%: .venv/light
	@echo "installing what '$*' needs (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
