# Every target does its own set-up: Python (3.11 or newer) and make are all that a machine needs.
PYTHON ?= python3
VENV := .venv
STAGE ?= dev
BIN := $(VENV)/bin
UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements/main.txt)

# A company's own certificate authority stands in the machine's store, which uv reads only when it is told to.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= true
endif

# What the local cloud, the functions and the compiler import.
COMPILED := import cli.main, cli.deployment.local, local.ministack.serving, ministack.app, ministack.services.cloudformation, \
	samtranslator.translator.transform, pipelines.definition.worker, pkgutil, importlib, functions; \
	[importlib.import_module(f"functions.{found.name}") for found in pkgutil.iter_modules(functions.__path__)]

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo up test check bench lock deploy clean

help:  ## what the targets do
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(VENV)/.main  ## install headrace into .venv

setup-dev: $(VENV)/.dev

demo: setup  ## run both flows on real input, on this machine
	$(BIN)/headrace demo

up: setup  ## the local cloud, in the foreground
	$(BIN)/headrace up

# Three workers for two cores: the walks wait as long as they compute.
test: setup-dev $(VENV)-tools/.done  ## all tests
	$(BIN)/pytest -n 3 --dist loadgroup

check: setup-dev $(VENV)-tools/.done  ## format, lint, types, import contracts, template, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 \
		$(VENV)-tools/bin/sam validate --lint
	$(BIN)/headrace compile --check

bench: setup-dev $(VENV)-bench/.done  ## measure, side by side with the peers
	$(BIN)/python -m bench

lock: setup  ## resolve requirements/*.in anew
	for set in main dev tools bench; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
			--upgrade requirements/$$set.in -o requirements/$$set.txt; done

deploy: setup $(VENV)-tools/.done  ## the stack and the catalogue to AWS: make deploy STAGE=dev
	$(BIN)/headrace deploy --stage $(STAGE)

clean:  ## remove what the targets made
	rm -rf $(VENV) $(VENV)-tools $(VENV)-bench .headrace .aws-sam

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "headrace needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/bin/uv: requirements/main.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/.main: requirements/main.txt pyproject.toml local/sagemaker/clients/sitecustomize.py $(VENV)/bin/uv
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements/main.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@# Where AWS_ENDPOINT_URL is set, clients that name an address of AWS are led there, too. Functions need it not.
	@site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
		cp local/sagemaker/clients/sitecustomize.py "$$site/headrace_endpoint.py" && \
		echo 'import os; os.environ.get("AWS_ENDPOINT_URL") and "AWS_LAMBDA_FUNCTION_NAME" not in os.environ and __import__("headrace_endpoint")' \
		> "$$site/headrace_endpoint.pth"
	@# Where a shell or an image sets PYTHONDONTWRITEBYTECODE, every start would compile all of this again; and the
	@# functions cannot keep what they compile anywhere.
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c '$(COMPILED)'
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.main
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

# The SAM CLI and the AWS CLI pin their own libraries, so they live apart.
$(VENV)-tools/.done: requirements/tools.txt $(VENV)/bin/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)-tools
	$(BIN)/uv pip install --quiet --python $(VENV)-tools/bin/python --require-hashes -r requirements/tools.txt
	@touch $@

# The peers that `make bench` measures pin theirs, too.
$(VENV)-bench/.done: requirements/bench.txt $(VENV)/bin/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)-bench
	$(BIN)/uv pip install --quiet --python $(VENV)-bench/bin/python --require-hashes -r requirements/bench.txt
	@touch $@

# What `sam build` calls for every function: the package functions/ and the libraries that this one needs besides.
# The wheels are those of template.yaml's Runtime and Architectures, whatever machine builds; LAMBDA_WHEELS asks uv for others.
LAMBDA_WHEELS ?= --python-version 3.13 --python-platform x86_64-manylinux_2_28
LAMBDA_REQUIREMENTS = base
build-ApiFunction: LAMBDA_REQUIREMENTS = api
build-SplitResultFunction: LAMBDA_REQUIREMENTS = split_result
build-StartInferenceFunction: LAMBDA_REQUIREMENTS = start_inference
build-DetectBoxesFunction: LAMBDA_REQUIREMENTS = detect_boxes
build-%:
	mkdir -p "$(ARTIFACTS_DIR)"
	cp -R functions "$(ARTIFACTS_DIR)/"
	find "$(ARTIFACTS_DIR)/functions" -name __pycache__ -prune -exec rm -rf {} +
	$(BIN)/uv pip install --quiet --target "$(ARTIFACTS_DIR)" --only-binary :all: $(LAMBDA_WHEELS) \
		--requirement functions/requirements/$(LAMBDA_REQUIREMENTS).txt
