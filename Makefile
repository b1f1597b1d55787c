# Custody. `make` alone lists the targets; each does all of its own set-up.
PYTHON ?= python3
ENV ?= local
RUN := .venv/bin/python -m
WITHIN = $(RUN) scripts.toolchain.environment --env $(ENV) --

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo build bootstrap plan apply destroy test lint fmt scan access review verify report doctor bench docs local-up local-down clean

help: ## list the targets
	@echo "make <target> [ENV=local|dev|prod] [PYTHON=python3.13]"
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

setup: ## set up everything here, by locked hashes (the other targets do it themselves)
	@$(PYTHON) -m scripts.toolchain.setup

demo: build ## the whole pipeline on this machine: deploy, drop, record, verify, tamper, report
	@$(RUN) scripts.demo

build: setup ## the wheel and the functions' zips
	@$(RUN) scripts.build

bootstrap: build ## once, by an administrator: what ENV=dev or prod stands on, state bucket and CI's roles
	@$(RUN) scripts.bootstrap --env $(ENV)

plan: build ## what an apply to ENV would change; local needs no server and no credentials
	@$(RUN) scripts.terraform plan --env $(ENV)

apply: build ## deploy: to local at once (after local-up), to dev and prod the plan made before
	@$(RUN) scripts.terraform apply --env $(ENV)

destroy: build ## take everything in ENV down
	@$(RUN) scripts.terraform destroy --env $(ENV)

test: ## every test and every gate
	@$(PYTHON) -m scripts.toolchain.setup --checkov --simulator
	@$(RUN) scripts.build
	@$(RUN) scripts.gates test

lint: ## the gates before a commit: ruff, mypy, terraform fmt, sqlfluff, secrets
	@$(PYTHON) -m scripts.toolchain.setup --checkov
	@$(RUN) scripts.gates lint

fmt: setup ## write the code as the gates want it
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .
	@$(RUN) scripts.toolchain.toolchain fmt -recursive terraform
	@.venv/bin/sqlfluff fix --disable-progress-bar sql

scan: ## what would be deployed, read by every scanner: build/scan/index.html
	@$(PYTHON) -m scripts.toolchain.setup --checkov
	@$(RUN) scripts.build
	@$(RUN) scripts.scan

access: ## who may do what in ENV: the access matrix as a grid, and every row that does not hold
	@$(PYTHON) -m scripts.toolchain.setup --simulator
	@$(RUN) scripts.build
	@$(RUN) scripts.access --env $(ENV)

review: build ## what a change does to access and data: BASE=<git ref>, or PLAN=<plan json> of a real environment
	@$(RUN) scripts.review $${BASE:+--base "$$BASE"} $${PLAN:+--plan "$$PLAN"}

verify: setup ## check every claim about every object in ENV
	@$(WITHIN) custody verify

report: setup ## the page to show: build/<ENV>/report.html
	@$(WITHIN) custody report -o build/$(ENV)/report.html

doctor: setup ## which stage of ENV is broken, if one is
	@$(WITHIN) custody doctor

bench: build ## measure what must stay fast: build/bench.json
	@$(RUN) scripts.bench

docs: ## what is written from code and data: tables in the READMEs of terraform/, docs/access.md, docs/controls.md, docs/athena_functions.md
	@$(PYTHON) -m scripts.toolchain.setup --checkov
	@$(RUN) scripts.docs.module_tables
	@$(RUN) scripts.access.page
	@$(RUN) scripts.docs.controls
	@$(RUN) scripts.docs.contracts
	@$(RUN) scripts.docs.athena_functions

local-up: build ## start AWS on this machine, and say how to point a terminal at it
	@$(RUN) scripts.local_aws up

local-down: setup ## end it
	@$(RUN) scripts.local_aws down

clean: ## remove everything these targets made, environments included
	@if [ -x .venv/bin/python ]; then $(RUN) scripts.local_aws down; fi
	@rm -rf build .venv .venv-checkov .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find lambda scripts src tests -type d -name __pycache__ -prune -exec rm -rf {} +
