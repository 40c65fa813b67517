"""Policies: what is read, and what is refused with the key that is wrong."""

from __future__ import annotations

import textwrap
from datetime import date

import pytest

from repro.model.errors import InvalidInput
from repro.model.policy import Policy, PolicyKey, Rebuilder, Target, decode
from tests.users import ROOT

FULL = """\
schema = "repro/policy/v1"
threshold = 2
dissent = "veto"
max_age = 365
links = false
accept = ["identical"]
statements = ["https://rebuilder.example.org/statements"]

[artifact]
name = "minimal.iso"
recipe = "minimal"
lock_sha256 = "{0}"
sha256 = "{0}"

[[rebuilder]]
name = "alice"
keys = [
  "alice.pub",
  {{ key = "old.pub", valid_from = 2026-01-01, valid_until = 2026-06-30, revoked = "lost" }},
]

[[rebuilder]]
name = "Bob of example.org"
keys = ["ssh-ed25519 AAAA bob"]
""".format("a" * 64)

SHORT = 'schema = "repro/policy/v1"\nthreshold = 1\n[[rebuilder]]\nname = "a"\nkeys = ["a.pub"]\n'


def test_everything_that_a_policy_can_say() -> None:
    old = PolicyKey("old.pub", date(2026, 1, 1), date(2026, 6, 30), "lost")
    assert decode(FULL, "policy.toml") == Policy(
        threshold=2,
        rebuilders=(
            Rebuilder("alice", (PolicyKey("alice.pub"), old)),
            Rebuilder("Bob of example.org", (PolicyKey("ssh-ed25519 AAAA bob"),)),
        ),
        target=Target("minimal.iso", "minimal", "a" * 64, "a" * 64),
        dissent="veto",
        max_age=365,
        links=False,
        accept=("identical",),
        statements=("https://rebuilder.example.org/statements",),
    )


def test_what_is_left_out_has_a_default() -> None:
    assert decode(SHORT, "policy.toml") == Policy(1, (Rebuilder("a", (PolicyKey("a.pub"),)),))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("threshold = 2", "threshold = 3", "threshold = 3, and there are 2 rebuilders"),
        ("threshold = 2", "threshold = 0", "key threshold: "),
        ("threshold = 2", 'threshold = "2"', "key threshold: "),
        ("threshold = 2", "threshold = true", "key threshold: "),
        ("threshold = 2\n", "", "key threshold is missing"),
        ('"veto"', '"maybe"', "key dissent: "),
        ("max_age = 365", "max_age = -1", "key max_age: "),
        ("links = false", "links = 0", "key links: "),
        ('["identical"]', '["built"]', "key accept: 'identical' must be among"),
        ('["identical"]', '["identical", "different"]', "key accept: "),
        ("[artifact]", "[artefact]", "unknown key artefact"),
        ('name = "minimal.iso"', 'name = "../minimal.iso"', "key artifact: key name: "),
        ('name = "minimal.iso"', 'name = "a\\u202eb"', "key artifact: key name: "),
        ('sha256 = "a', 'sha256 = "g', "key artifact: key lock_sha256: "),
        ('recipe = "minimal"', 'recpe = "minimal"', "key artifact: unknown key recpe"),
        ('name = "alice"', 'name = ""', "key rebuilder: key name: "),
        ('name = "alice"', 'name = "al\\u001b[31mice"', "key rebuilder: key name: "),
        ('name = "alice"', 'name = "Bob of example.org"', "two rebuilders of the same name"),
        ('keys = ["ssh-ed25519 AAAA bob"]', "keys = []", "a rebuilder without a key"),
        ('keys = ["ssh-ed25519 AAAA bob"]', 'keys = "bob.pub"', "key rebuilder: key keys: "),
        ('keys = ["ssh-ed25519 AAAA bob"]', "", "key rebuilder: key keys is missing"),
        ("valid_from = 2026-01-01", "valid_from = 2026-07-01", "is after valid_until"),
        ("valid_from = 2026-01-01", 'valid_from = "2026-01-01"', "not a date such as"),
        ("valid_from = 2026-01-01", "valid_from = 2026-01-01T00:00:00Z", "not a date such as"),
        ("valid_from = 2026-01-01", "valid_from = 2026-13-01", "line 19"),
        ("valid_from = 2026-01-01", "from = 2026-01-01", "unknown key from"),
        ('revoked = "lost"', 'revoked = ""', "key revoked: "),
        ("policy/v1", "policy/v2", "key schema must be"),
        ("[[rebuilder]]", "[rebuilder]", ""),
    ],
)
def test_what_is_refused(old: str, new: str, said: str) -> None:
    assert old in FULL
    with pytest.raises(InvalidInput) as caught:
        decode(FULL.replace(old, new, 1), "policy.toml")
    assert caught.value.message.startswith("policy.toml: ")
    assert said in caught.value.message
    assert "Error" not in caught.value.message


def test_nobody_is_trusted() -> None:
    with pytest.raises(InvalidInput, match="key rebuilder is missing"):
        decode('schema = "repro/policy/v1"\nthreshold = 1\n', "policy.toml")


def test_the_policy_in_the_docs() -> None:
    text = (ROOT / "docs/attesting.md").read_text(encoding="utf-8")
    block = text[text.index('    schema = "repro/policy/v1"') : text.index("A rebuilder has one voice")]
    found = decode(textwrap.dedent(block), "docs/attesting.md")
    assert [rebuilder.name for rebuilder in found.rebuilders] == ["alice", "bob", "carol"]
