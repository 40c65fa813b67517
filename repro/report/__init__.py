"""Renderings of one comparison; sees `repro.model` alone."""

from repro.report.formats import RENDERERS, check, render

__all__ = ["RENDERERS", "check", "render"]
