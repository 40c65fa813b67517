"""Normalized environments: namespaces, privilege backends, the locked toolchain, variations."""
