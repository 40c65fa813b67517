#!/usr/bin/env bash
# Compare two pairs of live images with repro and with diffoscope, and compare the times: see docs/benchmarks.md.
# Usage: bench/compare.sh [-n REPEATS] [-w FOLDER] [--large] [--skip-diffoscope]
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" -m bench.compare "$@"
