# Every target does the set-up it needs (tools/setup). On a fresh machine: make lab-up, make test.
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help lab-up lab-down lab-status failover test test-machine test-slow test-containers test-failover test-netns check lint bench image container-image clean venv programs

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

lab-up: programs ## Bring the reference lab up and wait until it is ready
	@$(BIN)/vpnlab up

lab-down: venv ## End the lab; nothing of it is left
	@$(BIN)/vpnlab down

lab-status: venv ## Show tunnels, BGP sessions and routes as they are now
	@$(BIN)/vpnlab status

failover: programs ## Play the reference procedure on the reference lab; leaves failover.html to look at
	@$(BIN)/vpnlab failover --html failover.html

test: programs ## All checks, unit and integration tests on the real engines; with CI=true the next two stages, too
	@$(MAKE) --no-print-directory --jobs=2 check test-machine
	@$(BIN)/pytest tests/integration -m "not machine and not slow and not containers and not failover"
	@$(if $(CI),$(MAKE) --no-print-directory test-slow test-containers)

test-machine: image ## The guest by itself, without a lab in it
	@$(BIN)/pytest tests/integration -m machine

test-slow: programs ## The second stage in CI: every example, lifetimes, ten killed starts, ten connections, bandwidths filled
	@$(BIN)/pytest tests/integration -m "slow and not containers" --durations=5

test-containers: programs ## The third stage in CI: labs of containers, in a guest where there is no Docker
	@$(BIN)/pytest tests -m containers --durations=5

test-failover: programs ## A stage of its own: faults played, three times each, held to what they may cost
	@$(BIN)/pytest tests -m failover -v

test-netns: programs ## The integration tests on namespaces of a fresh Debian machine in QEMU; needs root
	@tools/fresh-machine $(or $(DIRECTORY),build/fresh-machine) tools/netns-tests

check: lint ## Format, lint, types, import contracts, unit tests; needs neither root nor network
	@$(BIN)/pytest tests/unit --numprocesses=2

lint: venv
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo

bench: programs ## Measure a lab beside the shortest script, many connections, routes beside BIRD, and what failures cost
	@$(BIN)/python -m bench --connections 1 5 10 --routes 300 3000 30000 --failover 3

image: programs ## Build the guest's image now (lab-up does it when it is missing)
	@$(BIN)/vpnlab image build

container-image: ## Build the image of nodes that are containers, with this host's Docker; BASE=IMAGE names its base
	docker build --file compose/Dockerfile --tag vpnlab/node $(if $(BASE),--build-arg BASE=$(BASE)) \
		--label org.opencontainers.image.version=$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
		--label org.opencontainers.image.revision=$(shell git describe --always --dirty 2>/dev/null) .

clean: ## Remove the environment and the tools' caches; images stay (vpnlab image rm)
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

venv:
	@tools/setup venv

programs:
	@tools/setup lab
