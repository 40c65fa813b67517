"""`repro/quorum/v1`: who agrees on an artifact, who does not, and what does not count, each with its reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from repro.model.text import readable_json

SCHEMA = "repro/quorum/v1"
AGREEING, DISSENTING, UNKNOWN, INVALID = STANDINGS = ("agreeing", "dissenting", "unknown", "invalid")


@dataclass(frozen=True)
class Voice:
    """One statement or link, from `where`. `rebuilder` is the name in the policy, empty where no key of it signed;
    `sha256` is the digest of the artifact that it speaks for, where it says one; `signed` is RFC 3339 UTC or empty.

    `counted`: whether it is this one by which its rebuilder is counted. `forged`: it claims a key of the policy, and
    the signature does not verify.
    """

    where: str
    standing: str
    reason: str
    rebuilder: str = ""
    keyid: str = ""
    kind: str = ""
    sha256: str = ""
    claim_sha256: str = ""
    signed: str = ""
    counted: bool = False
    forged: bool = False


@dataclass(frozen=True)
class Quorum:
    """`sha256` is what the voices were counted for: the digest asked about, or the one that most speak for (empty where
    nobody says any). `voices` are sorted by standing and place. `unreached` are the sources that did not answer, with
    the reason: what they hold is not known."""

    artifact: str
    sha256: str
    threshold: int
    rebuilders: int
    veto: bool
    voices: tuple[Voice, ...]
    unreached: tuple[str, ...] = ()

    def of(self, standing: str) -> tuple[Voice, ...]:
        """The voices of this standing."""
        return tuple(voice for voice in self.voices if voice.standing == standing)

    def counted(self, standing: str) -> tuple[str, ...]:
        """The rebuilders who are counted so, each once."""
        return tuple(voice.rebuilder for voice in self.of(standing) if voice.counted)

    @property
    def met(self) -> bool:
        """Whether enough agree, and nobody dissents who may veto, or might where a source did not answer."""
        enough = len(self.counted(AGREEING)) >= self.threshold
        return enough and not (self.veto and (self.counted(DISSENTING) or self.unreached))

    @property
    def forged(self) -> int:
        """How many statements bear a signature that is wrong."""
        return sum(voice.forged for voice in self.voices)


def encode(quorum: Quorum) -> bytes:
    """`quorum` as deterministic JSON."""
    counts = {standing: len(quorum.counted(standing)) for standing in (AGREEING, DISSENTING)}
    counts |= {standing: len(quorum.of(standing)) for standing in (UNKNOWN, INVALID)}
    return readable_json({"schema": SCHEMA, "met": quorum.met, "counts": counts, **asdict(quorum)})
