# Each line is a command that a person could type.

python := .venv/bin/python

.PHONY: setup demo test test-quick bench campaign boards lint documents docs clean

setup: .venv/complete

.venv/complete: pyproject.toml constraints.txt tools/setup.sh
	tools/setup.sh

demo: setup
	.venv/bin/openwork demo

test: setup
	$(python) -m pytest -n auto

test-quick: setup
	$(python) -m pytest -n auto -m "not slow"

# sparsity_resnet50.py needs ImageNet, which users get for themselves. Some benchmarks tell times at the clock that synth measures.
bench: setup
	for device in lfe5u-85f lfe5u-25f ice40up5k; do \
		.venv/bin/openwork synth --device $$device --record fpga/results/$$device.json || exit 1; done
	for script in $(filter-out %/sparsity_resnet50.py %/campaign.py %/litedram_chip.py,$(wildcard benchmarks/*.py)); do $(python) $$script || exit 1; done
	$(python) tools/documents.py

# Hours: 100,000 mutated inputs of each format, and hostile images in RTL.
campaign: setup
	$(python) benchmarks/campaign.py
	$(python) tools/documents.py

boards: setup
	for board in icebreaker upduino ulx3s-12f ulx3s-25f colorlight-i5 tang-nano-9k ulx3s-85f orangecrab-85f ecpix5-85f; do \
		.venv/bin/openwork build --board $$board --all-seeds -o build/$$board --record fpga/results/boards/$$board.json || exit 1; done
	$(python) tools/documents.py

lint: setup
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

documents: setup
	$(python) tools/documents.py

# The documents and the API as pages, in build/docs; a warning fails.
docs: setup
	$(python) -m sphinx -W --keep-going -q -j auto -b html docs build/docs

clean:
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find hw sw verification fpga benchmarks tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
