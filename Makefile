# The front door: one target is one command that also works alone. Generated things go to build/.

ACC      ?= 16        ## accumulator width P, 2 to 64 (network: 63); sweep: also 8,12 or 8..32
LAYER    ?=           ## sim, sweep, prove: a layer file (.npz) in place of the shipped ones
INPUTS   ?=           ## sim, sweep, network: labelled inputs (.npz) for LAYER or NETWORK
PE       ?=           ## sim, sweep, prove: output rows at once in the mvau; must divide MH
SIMD     ?=           ## sim, sweep, prove: input columns at once in the mvau; must divide MW
OVERFLOW ?= wrap      ## sim, sweep, network, prove: wrap or saturate; sweep: or wrap,saturate
UNITS    ?=           ## sim: which of mac, mvau, unrolled; mac,mvau without it
DUT      ?=           ## sim, repro: a description (.toml) of RTL to play in place of ours
STALL    ?=           ## sim: e.g. weight=random-30,output=bursts-4-7; network: of input and output
NETWORK  ?=           ## network: cnn, mlp or a network file (.npz); without it cnn
IMAGES   ?=           ## network: the first so many of the images
CYCLES   ?=           ## network: a frame, that foldings aim at
SIM      ?= verilator ## sim, repro: verilator or icarus; regress, mutants: leaves out the other
MW       ?=           ## sweep: inputs, in place of the shipped layers; as all of its numbers: 8, 8,12 or 8..12
MH       ?=           ## sweep: outputs
WEIGHT_BITS  ?=       ## sweep: 1 to 16, of weights made from SEED
INPUT_BITS   ?=       ## sweep: 1 to 16
SIGNED_INPUT ?=       ## sweep: 0, 1 or 0,1
SEED     ?= 1         ## sim, sweep, network: seed of everything random; regress, mutants: added to all seeds, from 0
JSON     ?=           ## sim, sweep, network, prove, prove-units, bench, bench-quantizers: write the verdict, the figures to this file as well
WAVES    ?=           ## sim, repro: 1 keeps the waves
SUITE    ?= smoke     ## regress: quick, smoke, full, nightly or mutants; sim/regress/suites.toml has what is in them
ALL      ?=           ## regress, mutants: 1 runs also what nothing has changed of
ONLY     ?=           ## regress, mutants: jobs with this in their name, always; ARGS=--list shows the names
SCHEDULER ?=          ## regress, mutants: tcp://host:port of a Dask scheduler; without it, all cores here
CASE     ?=           ## repro, keep: the case.json to play again, to keep
RTL      ?=           ## repro, prove, prove-units: a folder of Verilog files in place of rtl
ARGS     ?=           ## test, exhaustive, peer: more arguments for pytest; sweep, regress, mutants, prove, prove-units, train, train-networks, bench, bench-quantizers, experiments: for a2q
PYTHON   ?= python3   ## the Python that makes the virtual environment

BIN := .venv/bin
TESTS := .venv/test .venv/train .venv/experiments .venv/regress

# A variable that is misspelt would be ignored, and what it was to change pass.
KNOWN := $(shell sed -nE 's/^([A-Z_]+) +\?=.*/\1/p' $(firstword $(MAKEFILE_LIST)))
$(foreach each,$(.VARIABLES),$(if $(filter command,$(origin $(each))),$(if \
  $(filter $(each),$(KNOWN)),,$(error there is no variable $(each): make help lists them))))

.DEFAULT_GOAL := help
.PHONY: help sim network sweep regress mutants prove prove-units prove-scaling test exhaustive peer repro keep train train-networks bench bench-quantizers experiments lint format setup clean

help: ## list targets, and the variables that may be set
	@echo "make TARGET [VARIABLE=value ...]"; echo
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /## /' | awk -F'## ' '{printf "  %-16s %s\n", $$1, $$2}'
	@echo
	@grep -hE '^[A-Z_]+ +\?=' Makefile | sed -E 's/ *\?= */ = /; s/ *## */## /' | awk -F'## ' '{printf "  %-22s %s\n", $$1, $$2}'

sim: .venv/light ## the main job: play the trained layers through the RTL at P=ACC, and judge
	$(call refuse,NETWORK IMAGES CYCLES MW MH WEIGHT_BITS INPUT_BITS SIGNED_INPUT)
	@$(BIN)/a2q sim --acc $(call quoted,ACC) --sim $(call quoted,SIM) --seed $(call quoted,SEED) \
	  $(call given,overflow,OVERFLOW) --stall $(call quoted,STALL) $(call option,dut,DUT) \
	  $(call option,layer,LAYER) $(call option,inputs,INPUTS) \
	  $(call option,units,UNITS) $(call option,pe,PE) $(call option,simd,SIMD) $(call option,json,JSON) $(waves)

network: .venv/light ## a whole network as one Verilog top: real images, accuracy, overflows and cycles of each stage
	$(call refuse,SIM PE SIMD UNITS DUT LAYER WAVES MW MH WEIGHT_BITS INPUT_BITS SIGNED_INPUT)
	@$(BIN)/a2q network --acc $(call quoted,ACC) --overflow $(call quoted,OVERFLOW) \
	  --stall $(call quoted,STALL) --seed $(call quoted,SEED) $(call option,network,NETWORK) \
	  $(call option,inputs,INPUTS) $(call option,images,IMAGES) $(call option,cycles,CYCLES) \
	  $(call option,json,JSON)

sweep: .venv/light .venv/experiments ## where overflow starts: a grid of units, ACC=8..32, in seconds
	$(call refuse,SIM UNITS DUT STALL WAVES NETWORK IMAGES CYCLES)
	@$(BIN)/a2q sweep --seed $(call quoted,SEED) --overflow $(call quoted,OVERFLOW) \
	  $(if $(filter-out file,$(origin ACC)),--acc=$(call quoted,ACC)) \
	  $(call option,pe,PE) $(call option,simd,SIMD) $(call option,mw,MW) $(call option,mh,MH) \
	  $(call option,weight-bits,WEIGHT_BITS) $(call option,input-bits,INPUT_BITS) \
	  $(call option,signed-input,SIGNED_INPUT) $(call option,layer,LAYER) \
	  $(call option,inputs,INPUTS) $(call option,json,JSON) $(ARGS)

regress: .venv/light .venv/regress ## what did this edit break, cost, leave untested? Only what it can have touched
	@$(BIN)/a2q regress --suite $(call quoted,SUITE) $(regress)

mutants: .venv/light .venv/regress ## does the suite notice when one thing in the RTL is changed? (minutes)
	@$(BIN)/a2q regress --suite mutants $(regress)

prove: .venv/light .venv/prove ## proofs for all inputs and all time: any weights within the bound, each row of the layers
	$(call refuse,SIM UNITS DUT INPUTS STALL WAVES NETWORK IMAGES CYCLES MW MH WEIGHT_BITS INPUT_BITS SIGNED_INPUT SEED)
	@$(BIN)/a2q prove --acc $(call quoted,ACC) --overflow $(call quoted,OVERFLOW) \
	  $(call option,layer,LAYER) $(call option,pe,PE) $(call option,simd,SIMD) \
	  $(call option,rtl,RTL) $(call option,json,JSON) $(ARGS)

prove-units: .venv/light .venv/prove ## proofs that every unit does what it says: nothing lost, doubled, reordered (minutes)
	$(call refuse,ACC LAYER PE SIMD OVERFLOW SIM UNITS DUT INPUTS STALL WAVES NETWORK IMAGES CYCLES MW MH WEIGHT_BITS INPUT_BITS SIGNED_INPUT SEED)
	@$(BIN)/a2q prove --units $(call option,rtl,RTL) $(call option,json,JSON) $(ARGS)

prove-scaling: .venv/light .venv/prove ## time proofs over widths, lanes and rows, beside the naive formulation (half an hour)
	@$(BIN)/a2q prove --scaling $(ARGS)

test: $(TESTS) ## tests of all: golden model, training, testbench, both simulators, proofs
	@$(BIN)/pytest -n auto -m "not peer and not exhaustive" $(ARGS)

exhaustive: $(TESTS) ## what test leaves out: small macs whole, every unit at every width and shape, all formats of proofs, all mutants against them (hours)
	@$(BIN)/pytest -n auto -m exhaustive $(ARGS)

peer: $(TESTS) .venv/peer ## compare our quantizers with those of Brevitas
	@$(BIN)/pytest -n auto -m peer $(ARGS)

repro: .venv/light ## play a failed case again, from its file alone: CASE=build/failures/.../case.json
	@$(BIN)/a2q repro --sim $(call quoted,SIM) $(call option,rtl,RTL) $(call option,dut,DUT) $(waves) -- $(call quoted,CASE)

keep: .venv/light ## make a case a permanent test: CASE=build/proofs/....json
	@$(BIN)/a2q keep -- $(call quoted,CASE)

train: .venv/train ## train the shipped layers again (minutes; goes on where it was interrupted)
	@$(BIN)/a2q train $(ARGS)

train-networks: .venv/train ## train the shipped networks of several stages again (minutes; goes on as well)
	@$(BIN)/a2q train-networks $(ARGS)

bench: .venv/light .venv/test ## time the engines, builds, golden model and searches for bugs (minutes)
	@$(BIN)/a2q bench $(call option,json,JSON) $(ARGS)

bench-quantizers: .venv/train .venv/peer ## time our quantizers against plain QAT and Brevitas (minutes)
	@$(BIN)/a2q bench-quantizers $(call option,json,JSON) $(ARGS)

experiments: .venv/train .venv/experiments ## what A2Q's parts do, in tables and plots (minutes; goes on as well)
	@$(BIN)/a2q experiments $(ARGS)

lint: .venv/test .venv/regress .venv/lint ## ruff, mypy, and both lint gates over the RTL
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/a2q lint

format: .venv/lint ## bring the Python code into shape
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

setup: .venv/light .venv/test .venv/train .venv/experiments .venv/regress .venv/prove .venv/peer .venv/lint ## install everything at once (the others do as needed)

clean: ## remove everything that was generated
	rm -rf build

# What a target has no use for is not ignored in silence.
refuse = $(foreach each,$1,$(if $(filter command,$(origin $(each))),$(error make $@ takes no $(each))))
# A variable as one word of the shell, whatever is in it.
quoted = '$(subst ','\'',$(strip $($1)))'
option = $(if $(strip $($2)),--$1=$(call quoted,$2))
given = $(if $(filter-out file,$(origin $2)),--$1=$(call quoted,$2))
regress = $(call given,sim,SIM) $(call given,seed,SEED) $(call option,only,ONLY) \
  $(call option,scheduler,SCHEDULER) $(call option,all,ALL) $(ARGS)
waves = $(if $(filter-out 0,$(strip $(WAVES))),--waves)

# One stamp per set of packages; a set is installed again when pyproject.toml changes.
.venv/light: pyproject.toml
	@$(PYTHON) sim/prerequisites.py
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/test .venv/train .venv/experiments .venv/regress .venv/prove .venv/peer .venv/lint: .venv/%: .venv/light
	@echo "installing what '$*' needs (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
