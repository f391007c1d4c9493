# run · test · check · e2e · explore · soak · live · packages · sdk · command · clients · outside · bench · gen · lock: each installs what it needs first.
# Needs Python 3.11+, make and a C library; `make test` also Node 20+, `clients` also Go. The rest is installed below this folder.

PYTHON ?= python3
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
unexport PYTHONDONTWRITEBYTECODE  # without bytecode each of four processes compiles every test again: 7 s each

PACKAGES := tests/functions/packages
SDK := tests/sdk_js/runtimes

.PHONY: run test check check-types check-rest e2e explore growth-check soak live packages sdk command clients outside bench gen lock clean

run: .venv/.run  ## the server: all rooms in one process, on port 7070, and on port 7073 for clients of S3
	@BUNBASE_S3__ENABLED=$${BUNBASE_S3__ENABLED:-true} exec $(BIN)/bunbase dev

test: check  ## make check, then all tests: unit, contract and end-to-end
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 40

check: .venv/.dev node_modules/.ready  ## lint, types, import rules, generated files up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory -j 2 check-types check-rest

check-types:  # takes as long as all other checks together
	$(BIN)/mypy

check-rest:
	$(BIN)/lint-imports
	npm run --silent types
	$(BIN)/python -m bunbase.house.generate --check
	$(BIN)/python -m tests.sdk_python.generate --check
	$(BIN)/python -m bunbase.cli.commands_page --check
	$(BIN)/python -m tests.prose

e2e: .venv/.dev node_modules/.ready  ## only the end-to-end tests, with real processes
	$(BIN)/pytest -m e2e

explore: .venv/.dev node_modules/.ready  ## generated tests with fresh cases, 25 times as many; add a failure to its test as a fixed example
	BUNBASE_EXPLORE=$${BUNBASE_EXPLORE:-25} $(BIN)/pytest --timeout 3600 -m "hypothesis or explore"

growth-check: .venv/.dev  ## each kind of query with 100, 1,000 and 10,000 documents: the work grows at most as the documents do
	BUNBASE_GROWTH_DOCUMENTS=$${BUNBASE_GROWTH_DOCUMENTS:-100} $(BIN)/pytest -n 0 --timeout 7200 tests/bundoc/whole/test_no_cliffs.py

soak: .venv/.dev node_modules/.ready  ## kill -9 for minutes: writers of documents, sign-ins, workers, the zygote, the server, everything
	BUNBASE_HISTORY_SECONDS=$${BUNBASE_SOAK_SECONDS:-300} $(BIN)/pytest --timeout 7200 -s tests/bundoc/whole/test_history.py
	BUNBASE_CHAOS_SECONDS=$${BUNBASE_SOAK_SECONDS:-300} $(BIN)/pytest --timeout 7200 -s tests/e2e/test_chaos.py
	BUNBASE_USAGE_KILLS=$${BUNBASE_USAGE_KILLS:-100} $(BIN)/pytest --timeout 7200 -s tests/pkg/db/test_ledger.py
	BUNBASE_SIGN_IN_KILLS=$${BUNBASE_SIGN_IN_KILLS:-3} $(BIN)/pytest --timeout 7200 -s tests/e2e/killed/test_sign_ins.py
	BUNBASE_WALK_KILLS=$${BUNBASE_WALK_KILLS:-10} $(BIN)/pytest --timeout 7200 -s tests/e2e/killed/test_walks.py
	BUNBASE_STORAGE_KILLS=$${BUNBASE_STORAGE_KILLS:-100} $(BIN)/pytest --timeout 7200 -s tests/storage/whole/test_killed.py
	BUNBASE_RESTORE_KILLS=1 $(BIN)/pytest --timeout 7200 -s tests/bundoc/backups/test_killed_restores.py
	BUNBASE_CHANNEL_KILLS=1 $(BIN)/pytest --timeout 7200 -s tests/e2e/killed/test_channels.py
	BUNBASE_COMEBACKS=$${BUNBASE_COMEBACKS:-20} $(BIN)/pytest --timeout 7200 -s tests/e2e/test_comes_back.py

live: .venv/.dev node_modules/.ready  ## compare live queries with an oracle in random histories; cut cables, slow readers, 5,000 clients
	BUNBASE_LIVE_SECONDS=$${BUNBASE_LIVE_SECONDS:-300} $(BIN)/pytest -s -n 0 tests/bundoc/live/test_checker.py \
		tests/e2e/topologies/test_live_histories.py tests/e2e/topologies/test_live_complaints.py \
		tests/e2e/live/test_network.py tests/e2e/live/test_load.py

packages: .venv/.dev node_modules/.ready $(PACKAGES)/node_modules/.ready $(PACKAGES)/node20/node_modules/.ready  ## call each npm package of docs/packages.md in the sandbox
	BUNBASE_PACKAGES=1 $(BIN)/pytest $(PACKAGES)

sdk: .venv/.dev node_modules/.ready $(SDK)/node_modules/.ready  ## test bunbase-js and bunbase-admin also in Deno and workerd, as packages, and in bundles
	BUNBASE_SDK=1 $(BIN)/pytest tests/sdk_js tests/sdk_admin

command: .venv/.dev  ## build the wheel of the command, install it alone, and find its dependencies for Windows and macOS
	BUNBASE_COMMAND=1 $(BIN)/pytest tests/cli/test_wheel.py

clients: .venv/.dev node_modules/.ready  ## make clients from the OpenAPI document with three generators, and call a server (needs Go)
	$(BIN)/python -m tests.e2e.clients

outside: .venv/.dev  ## run the conformance suites of docs/conformance.md that are in BUNBASE_SUITES; SUITES names some of them
	$(BIN)/python -m tests.outside $(SUITES)

bench: .venv/.run  ## documents over HTTP, next to a Go server, PocketBase and Parse Server if Go and npm are installed
	bench/run data

gen: .venv/.dev  ## write the files generated from the code: OpenAPI, the pages of error codes, settings and commands, the types of functions, the Python client
	$(BIN)/python -m bunbase.house.generate
	$(BIN)/python -m bunbase.cli.commands_page
	$(BIN)/python -m tests.sdk_python.generate

lock: .venv/.dev  ## pin every dependency again, by hash and without naming a registry
	$(BIN)/uv lock
	$(BIN)/uv export -q --no-header --frozen --no-emit-project --no-emit-workspace --extra server --extra embedded \
		--no-default-groups --group install -o requirements.lock
	$(BIN)/uv export -q --no-header --frozen --no-emit-project --no-emit-workspace --extra server --extra embedded \
		--extra mcp --all-groups -o requirements-dev.lock

clean:  ## remove everything that was installed; data in .bunbase stays
	rm -rf .venv node_modules $(PACKAGES)/node_modules $(PACKAGES)/node20/node_modules $(SDK)/node_modules

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "BunBase needs Python 3.11 or newer; name one: make PYTHON=python3.12 run"; exit 1; }
	@echo "· making a virtual environment in .venv"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python has no venv module here. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

.venv/.run: .venv/pyvenv.cfg requirements.lock pyproject.toml sdk/python/pyproject.toml
	@echo "· installing the server and the Python client (pinned, checked by hash)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e . -e sdk/python
	@touch $@

.venv/.dev: .venv/pyvenv.cfg requirements-dev.lock pyproject.toml sdk/python/pyproject.toml
	@echo "· installing the server and its tools (pinned, checked by hash)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e . -e sdk/python
	@touch $@ .venv/.run

node_modules/.ready: package.json package-lock.json
	@command -v npm >/dev/null || { \
		echo "The tests need Node 20 or newer: some run on Node, and TypeScript is checked there."; exit 1; }
	@echo "· installing what is tested on Node"
	@npm ci --silent --no-progress
	@touch $@

$(PACKAGES)/node_modules/.ready $(PACKAGES)/node20/node_modules/.ready: %/node_modules/.ready: %/package.json %/package-lock.json
	@echo "· installing the npm packages that functions call"
	@cd $* && npm ci --silent --no-progress --ignore-scripts
	@touch $@

$(SDK)/node_modules/.ready: %/node_modules/.ready: %/package.json %/package-lock.json
	@echo "· installing the runtimes and checkers for bunbase-js"
	@cd $* && npm ci --silent --no-progress --ignore-scripts
	@touch $@
