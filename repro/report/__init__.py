"""Renderings of one comparison; sees `repro.model` alone."""
