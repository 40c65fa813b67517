"""Divergent pairs with known causes, made by real programs in surroundings that really differ, and the score of the
rules of `repro.diagnose` on them. `python -m corpus make|score [FOLDER]`; what it is: docs/corpus.md."""
