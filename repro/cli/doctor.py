"""`repro doctor`: what this host has and lacks."""

from __future__ import annotations

import sys

import click
from tabulate import tabulate

from repro.cli.context import Context, pass_context
from repro.model import doctor
from repro.model.doctor import BUILD, LIMITED, MISSING, OK, Check, Diagnosis
from repro.model.text import printable
from repro.snapshot.hosts import ARCHIVES
from repro.snapshot.settings import load_settings
from repro.system.host import LIBARCHIVE, can_load, host_checks

EXIT_CANNOT_BUILD = 3
_WIDTHS = [16, 8, 50]


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON (repro/doctor/v1) on standard output.")
@pass_context
def command(context: Context, as_json: bool) -> int:
    """Say what this host has and lacks, which backends work, and what to install or to change.

    Looks and tries, changes nothing, asks no network. Exits 0 where a build can be made here, 3 where it cannot.
    """
    host = host_checks(context.store_path)
    sandbox, backend = _sandbox()
    diagnosis = Diagnosis(backend, (*host, *sandbox, *(_mirror(archive) for archive in ARCHIVES)))
    if as_json:
        sys.stdout.buffer.write(doctor.encode(diagnosis))
    else:
        click.echo(_text(diagnosis))
    return 0 if diagnosis.can_build else EXIT_CANNOT_BUILD


def _sandbox() -> tuple[list[Check], str | None]:
    if not can_load(LIBARCHIVE):  # without it the sandbox cannot even be imported
        return [Check("backends", MISSING, "not tried: libarchive is missing", BUILD)], None
    from repro.sandbox import probe  # noqa: PLC0415

    checks = probe.sandbox_checks()
    return checks, probe.chosen(checks)


def _mirror(archive: str) -> Check:
    settings = load_settings()
    found = settings.mirrors.get(archive, ())
    name, purpose = f"{archive.removeprefix('debian-')} mirror", "fetching packages"
    if found:
        return Check(name, OK, ", ".join(found), purpose)
    detail = f"none known; {settings.snapshot} is asked, slowly"
    remedy = f"name one in REPRO_MIRROR_{archive.upper().replace('-', '_')} or in sources.toml (docs/fetching.md)"
    return Check(name, LIMITED, detail, purpose, remedy)


def _text(diagnosis: Diagnosis) -> str:
    """A row a check, within 80 columns; then, for what is not there, what it is for and what would help."""
    rows = [(check.name, check.state, printable(check.detail)) for check in diagnosis.checks]
    parts = [tabulate(rows, headers=("what", "state", "found"), maxcolwidths=_WIDTHS)]
    advice = [line for check in diagnosis.checks if check.state != OK and check.remedy for line in _advice(check)]
    if advice:
        parts.append("\n".join(["What would help:", *advice]))
    return "\n\n".join([*parts, _conclusion(diagnosis)])


def _advice(check: Check) -> list[str]:
    purpose = "needed to build" if check.purpose == BUILD else f"for {check.purpose}"
    return [f"  {check.name} ({purpose}):", f"    {check.remedy}"]


def _conclusion(diagnosis: Diagnosis) -> str:
    if diagnosis.can_build:
        return f"A build can be made here, with backend {diagnosis.backend}."
    lacking = [check.name for check in diagnosis.checks if check.state == MISSING and check.purpose == BUILD]
    return f"No build can be made here; what stands against it: {', '.join(lacking or ['no backend works'])}."
