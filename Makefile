# All targets for developers and CI. Each target first installs its prerequisites.
.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-docs test-faults test-systems test-packages docs lint format build lab bench bench-fleet bench-run mutations clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Patch three real Debian nodes with a real Temporal server, live (needs root)
	@scripts/setup.sh deps build
	@node tools/run.js demo/demo

test: ## Run all checks and all tests (as root; otherwise without real nodes)
	@scripts/test.sh

test-unit: ## Run the fast tests only
	@scripts/setup.sh deps terminal
	@npm run --silent test:unit

test-docs: ## Run every command of the pages on real nodes (needs root, 10 min)
	@scripts/setup.sh deps build temporal lab
	@node_modules/.bin/jest --forceExit --selectProjects docs

test-faults: ## Inject every fault at every step on real nodes, and print the results (needs root, 30 min)
	@scripts/test-faults.sh

test-systems: ## Patch every available real system, and print the results (needs root, 30 min)
	@scripts/test-systems.sh

test-packages: ## Build the packages, and install, use, upgrade and remove them (needs root, 6 min)
	@scripts/test-packages.sh

docs: ## Build the documentation site from docs/ into site/dist/, and check every link
	@scripts/setup.sh site
	@cd site && npm run --silent build

lint: ## Check formatting, rules, types and shell scripts
	@scripts/setup.sh deps linters
	@scripts/lint.sh

format: ## Format all files
	@scripts/setup.sh deps
	@npm run --silent format

build: ## Build lib/
	@scripts/setup.sh deps build

lab: ## Boot three real nodes for experiments, until Ctrl-C (needs root)
	@scripts/setup.sh deps build
	@node tools/run.js lab/cli up 3

bench: ## Measure a node patch against bare ssh and Ansible on one node (needs root)
	@scripts/setup.sh deps build temporal
	@node tools/bench/one-node.js

bench-fleet: ## Measure the cost of a fleet of sleeping clusters, with simulated nodes
	@scripts/setup.sh deps build temporal
	@node tools/bench/fleet.js

bench-run: ## Measure one run over 5,000 simulated nodes, 500 at a time (25 min)
	@scripts/setup.sh deps build temporal
	@node tools/bench/large-run.js --seconds 120 --lost 10

mutations: ## Take the guards of a run away, one by one, and show which test notices
	@scripts/setup.sh deps build temporal test-server
	@node tools/run.js mutations/run

clean: ## Remove build output (the cache directory stays)
	rm -rf lib .test-results *.tsbuildinfo
