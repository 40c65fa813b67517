#!/usr/bin/env bash
# Build the minimal image with Debian's live-build and with repro, and compare the times: see docs/benchmarks.md.
# Usage: bench/build.sh [-n REPEATS] [-w FOLDER]; needs root, because live-build does.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" -m bench.build "$@"
