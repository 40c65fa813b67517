"""The package closure of a recipe, resolved by apt itself, with every hash."""
