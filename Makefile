# Custody. `make` without a target lists the targets; each does its own set-up.
PYTHON ?= python3
ENV ?= local
RUN := .venv/bin/python -m
WITHIN = $(RUN) scripts.toolchain.environment --env $(ENV) --

# Whatever the caller's shell says: without its cache each of hundreds of processes compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo build bootstrap plan apply destroy test test-upgrade warehouse test-warehouse test-airflow lint fmt scan access review verify report doctor drill chaos enforce first-apply bench new-table docs site local-up env local-down clean

help: ## list the targets
	@echo "make <target> [ENV=local|dev|prod] [PYTHON=python3.13]"
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  %-15s %s\n", $$1, $$2 }'

setup: ## install everything locally, checked by locked hashes (the other targets do it themselves)
	@$(PYTHON) -m scripts.toolchain.setup

demo: build ## run the whole pipeline on this machine: deploy, upload, record, verify, tamper, report; DATASET=<folder> for your data, DATASET=none for evidence alone, WITH=airflow to make a day by its DAGs, WITH=warehouse to load Snowflake, WITH=adopted to read a trail and adopt a bucket that are there already
	@$(RUN) scripts.demo $(if $(WITH),--with "$(WITH)") $(if $(DATASET),"$(DATASET)")

build: setup ## build the wheel and the functions' zips
	@$(RUN) scripts.build

bootstrap: build ## once, by an administrator: create what ENV=dev or prod requires, such as state bucket and CI roles
	@$(RUN) scripts.bootstrap --env $(ENV)

plan: build ## show what an apply to ENV would change; local needs no server and no credentials
	@$(RUN) scripts.terraform plan --env $(ENV)

apply: build ## deploy: to local directly (after local-up), to dev and prod the saved plan
	@$(RUN) scripts.terraform apply --env $(ENV)

destroy: build ## destroy everything in ENV
	@$(RUN) scripts.terraform destroy --env $(ENV)

test: ## run every test and every gate
	@$(PYTHON) -m scripts.toolchain.setup --checkov --simulator
	@$(RUN) scripts.build
	@$(RUN) scripts.gates test

test-upgrade: ## deploy the last release here, upgrade it to this working tree, and verify all evidence
	@$(PYTHON) -m scripts.toolchain.setup
	@$(RUN) scripts.build
	@.venv/bin/pytest -q tests/upgrade

warehouse: ## install the command line that loads Snowflake: build/warehouse/bin/custody
	@$(PYTHON) -m scripts.toolchain.setup --warehouse run

test-warehouse: ## test the loads into Snowflake, on one on this machine; make test does not
	@$(PYTHON) -m scripts.toolchain.setup --warehouse test
	@build/warehouse-test/bin/python -m pytest -q -n 2 tests/warehouse

test-airflow: build ## test the DAGs, in the Airflow of Amazon MWAA and in the newest; make test does not
	@$(PYTHON) -m scripts.toolchain.setup --airflow
	@.venv/bin/pytest -q -n 2 --dist loadgroup --no-loadscope-reorder tests/airflow

lint: ## run the gates before a commit: ruff, mypy, terraform fmt, sqlfluff, secrets
	@$(PYTHON) -m scripts.toolchain.setup --checkov
	@$(RUN) scripts.gates lint

fmt: setup ## format the code
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .
	@$(RUN) scripts.toolchain.toolchain fmt -recursive terraform
	@.venv/bin/sqlfluff fix --disable-progress-bar examples sql

scan: ## run every scanner on what would be deployed: build/scan/index.html
	@$(PYTHON) -m scripts.toolchain.setup --checkov
	@$(RUN) scripts.build
	@$(RUN) scripts.scan

access: ## show who may do what in ENV: the access matrix as a grid, and every row that does not hold
	@$(PYTHON) -m scripts.toolchain.setup --simulator
	@$(RUN) scripts.build
	@$(RUN) scripts.access --env $(ENV)

review: build ## show how a change affects access and data: BASE=<git ref>, or PLAN=<plan json> of a real environment
	@$(RUN) scripts.review $${BASE:+--base "$$BASE"} $${PLAN:+--plan "$$PLAN"}

verify: setup ## check every claim about every object in ENV
	@$(WITHIN) custody verify

report: setup ## write the report page: build/<ENV>/report.html
	@$(WITHIN) custody report -o build/$(ENV)/report.html

doctor: setup ## show which stage of ENV is broken, if any
	@$(WITHIN) custody doctor

drill: build ## attack ENV and show who is told of it: local is deployed for it alone; dev after its name was typed, never production
	@$(RUN) scripts.drill --env $(ENV)

chaos: build ## load a deployment on this machine and have 30 % of all calls fail, AWS KMS too, and functions die: what became of every object; SEED=7 for other faults
	@$(RUN) scripts.chaos $(if $(SEED),--seed "$(SEED)")

enforce: ## run the demonstration here with every policy enforced on every call, then make the calls that the access matrix denies: each must be refused
	@$(PYTHON) -m scripts.toolchain.setup --simulator
	@$(RUN) scripts.build
	@$(RUN) scripts.enforce

first-apply: ## deploy here for the first time as the workflow does, with every policy enforced, each of its changes refused once: every apply breaks off, and the next goes on
	@$(PYTHON) -m scripts.toolchain.setup --simulator
	@$(RUN) scripts.build
	@$(RUN) scripts.first_apply

bench: build ## run the benchmarks: build/bench.json
	@$(RUN) scripts.bench

new-table: setup ## write a table's contract, to be read and corrected, from a sample: NAME=devices FROM=sample.csv, DATASET=<folder>
	@$(RUN) scripts.new_table "$$NAME" "$$FROM" $${DATASET:+--dataset "$$DATASET"}

docs: ## generate documentation from code and data; DATASET=<folder>: only that data set's dictionary
ifdef DATASET
	@$(PYTHON) -m scripts.toolchain.setup
	@$(RUN) scripts.docs.contracts "$(DATASET)"
else
	@$(PYTHON) -m scripts.toolchain.setup --checkov
	@$(RUN) scripts.docs.module_tables
	@$(RUN) scripts.access.page
	@$(RUN) scripts.docs.controls
	@$(RUN) scripts.docs.contracts
	@$(RUN) scripts.docs.athena_functions
	@$(RUN) scripts.docs.cost
	@$(RUN) scripts.docs.alerts
endif

site: setup ## build the documentation as a site: build/site/html/index.html
	@$(PYTHON) -m scripts.toolchain.setup --site
	@$(RUN) scripts.docs.site

local-up: build ## start the local AWS, unless it runs already, and print the variables that point clients at it
	@$(RUN) scripts.local_aws up
	@$(RUN) scripts.toolchain.environment

env: setup ## print the variables that point a terminal at ENV, and nothing else: eval "$(make env)"
	@$(RUN) scripts.toolchain.environment --env $(ENV)

local-down: setup ## stop the local AWS
	@$(RUN) scripts.local_aws down

clean: ## remove everything these targets made, environments included
	@if [ -x .venv/bin/python ]; then $(RUN) scripts.local_aws down; fi
	@rm -rf build .venv .venv-checkov .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find dags examples glue lambda scripts src tests -type d -name __pycache__ -prune -exec rm -rf {} +
