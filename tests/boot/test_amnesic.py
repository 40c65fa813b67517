"""What is claimed of the amnesic system, in a machine that runs it: one session, looked at from inside and outside."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from repro.boot.machine import ADDRESS
from repro.model import checks as checking
from repro.model.booted import Answer, judged
from repro.system.run import run
from tests.boot.packets import ARP, IPV4, IPV6, TCP, Packet, packets
from tests.boot.sessions import CHECKS, Stick, answer, digest, holds, session

pytestmark = [pytest.mark.boot, pytest.mark.amnesic, pytest.mark.xdist_group("amnesic")]

QUESTIONS = checking.decode((CHECKS / "session.toml").read_text(), "session.toml")

# Programs that try to reach the network past Tor: how, as whom, and the address (of those for documentation, RFC 5737)
# that would be seen on the network if one got through.
ATTEMPTS = {
    "TCP": ("192.0.2.10", "timeout 5 bash -c 'exec 3<>/dev/tcp/192.0.2.10/80'"),
    "TCP by curl": ("192.0.2.11", "timeout 5 curl -s --noproxy '*' http://192.0.2.11/"),
    "TCP by root": ("192.0.2.12", "sudo -n timeout 5 curl -s --noproxy '*' http://192.0.2.12/"),
    "TCP to DNS's port": ("192.0.2.13", "timeout 5 bash -c 'exec 3<>/dev/tcp/192.0.2.13/853'"),
    "UDP": ("192.0.2.20", "timeout 5 bash -c 'echo x > /dev/udp/192.0.2.20/9999'"),
    "UDP by root": ("192.0.2.21", "sudo -n timeout 5 bash -c 'echo x > /dev/udp/192.0.2.21/123'"),
    "multicast": ("224.0.0.251", "timeout 5 bash -c 'echo x > /dev/udp/224.0.0.251/5353'"),
    "ICMP": ("192.0.2.30", "timeout 5 ping -c 1 -W 2 192.0.2.30"),
    "ICMP by root": ("192.0.2.31", "sudo -n timeout 5 ping -c 1 -W 2 192.0.2.31"),
    "traceroute": ("192.0.2.32", "sudo -n timeout 5 traceroute -n -q 1 -m 2 192.0.2.32"),
    "DNS": ("192.0.2.53", "timeout 5 bash -c 'echo x > /dev/udp/192.0.2.53/53'"),
    "DNS of the network": ("10.0.2.3", "timeout 5 bash -c 'echo x > /dev/udp/10.0.2.3/53'"),
}
NAMES = "timeout 8 getent hosts leak.example.org"
OVER_IPV6 = [
    "timeout 5 ping -6 -c 1 -W 2 2001:db8::1",
    "timeout 5 curl -6 -s --noproxy '*' 'http://[2001:db8::1]/'",
    "sudo -n timeout 5 ping -6 -c 1 -W 2 ff02::1%$(ls /sys/class/net | grep -v lo | head -n 1)",
]
PORTAL_ON = "sudo -n -u portal timeout 5 curl -s --noproxy '*' http://192.0.2.40/"
BESIDE_PORTAL = "timeout 5 curl -s --noproxy '*' http://192.0.2.41/"
PORTAL_OFF = "sudo -n -u portal timeout 5 curl -s --noproxy '*' http://192.0.2.42/"


@dataclass
class Seen:
    """All that one session showed."""

    answers: dict[str, Answer] = field(default_factory=dict)
    guarded: tuple[Packet, ...] = ()  # while the firewall was as it is
    tor: int = 0  # packets that the firewall counted as the tor user's until then
    portal: tuple[Packet, ...] = ()  # while the browser for captive portals was on, and then off again
    open: tuple[Packet, ...] = ()  # while it was switched off by hand
    typed: str = ""
    held_before: bool = False  # whether the memory held what was typed, while the session ran
    held_after: bool = True
    screen: Path = Path()
    images: dict[str, tuple[str, str]] = field(default_factory=dict)  # digests before and after
    kept: list[str] = field(default_factory=list)  # images that hold what was typed


@pytest.fixture(scope="module")
def seen(amnesic: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("session")
    stick = Stick.of(amnesic, folder / "stick.img", 2 << 30)
    inner = inner_disk(folder / "inner.img")
    found = Seen(typed=f"typed-{secrets.token_hex(12)}", screen=folder / "screen.png")
    before = {path.name: digest(path) for path in (stick.path, inner)}
    pcap, memory = folder / "net.pcap", folder / "memory"
    setup = stick.setup(disks=(inner,), network=True, pcap=pcap, stay=True)
    with session(setup, folder, memory=memory) as (machine, shell):
        for question in QUESTIONS.questions:
            said = shell.run(question.run, timeout=question.timeout)
            found.answers[question.name] = judged(question, said.status, said.output)
        for _, attempt in ATTEMPTS.values():
            shell.run(attempt, timeout=60)
        for attempt in (NAMES, *OVER_IPV6):
            shell.run(attempt, timeout=60)
        answer(shell, "sudo -n systemctl stop tor@default")
        counted = answer(shell, "sudo -n nft list counter inet amnesic tor")
        found.tor = int(re.findall(r"packets (\d+)", counted)[0])
        found.guarded = tuple(packets(pcap.read_bytes()))
        answer(shell, "sudo -n amnesic-portal on")
        for attempt in (PORTAL_ON, BESIDE_PORTAL):
            shell.run(attempt, timeout=60)
        answer(shell, "sudo -n amnesic-portal off")
        shell.run(PORTAL_OFF, timeout=60)
        found.portal = tuple(packets(pcap.read_bytes()))[len(found.guarded) :]
        answer(shell, f"echo {found.typed} > ~/note; xclip -version; cat ~/note | tee /var/tmp/note /tmp/note")
        answer(shell, f"python3 -c 'import time; kept = \"{found.typed}\" * 50; time.sleep(9999)' & sleep 2")
        machine.screenshot(found.screen)
        machine.dump_memory(memory)
        found.held_before = holds(memory, found.typed)
        # what could be seen if the firewall were not there: without it, what was not seen would prove nothing
        shown = len(found.guarded) + len(found.portal)
        answer(shell, "sudo -n nft flush ruleset")
        for _, attempt in ATTEMPTS.values():
            shell.run(attempt, timeout=60)
        found.open = tuple(packets(pcap.read_bytes()))[shown:]
    found.held_after = holds(memory, found.typed)
    memory.unlink()
    for path in (stick.path, inner):
        found.images[path.name] = before[path.name], digest(path)
        if holds(path, found.typed):
            found.kept.append(path.name)
    yield found


def inner_disk(path: Path) -> Path:
    """A disk as it lies in a computer: swap, and an ext4 whose journal was not written back, which mounting would do
    (also read-only); between and behind them a known pattern."""
    size = 512 << 20
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(b"known pattern 16" * 65536)
    table = "label: gpt\nstart=2048, size=204800, type=swap\nstart=206848, size=409600, type=linux\n"
    script = path.with_suffix(".table")
    script.write_text(table)
    run(["sh", "-c", f"sfdisk --quiet --no-reread {path} < {script}"])
    for start, command in ((2048, ["mkswap", "--quiet"]), (206848, ["mkfs.ext4", "-q", "-F"])):
        part = path.with_suffix(".part")
        part.write_bytes(bytes((204800 if start == 2048 else 409600) * 512))
        run([*command, str(part)])
        if start != 2048:
            run(["debugfs", "-w", "-R", "feature needs_recovery", str(part)])
        with open(path, "r+b") as disk:
            disk.seek(start * 512)
            disk.write(part.read_bytes())
        part.unlink()
    return path


def mine(taken: tuple[Packet, ...]) -> list[Packet]:
    """What the guest sent."""
    return [p for p in taken if not p.sender.startswith(("52:55:", "52:56:"))]


@pytest.mark.parametrize("question", [question.name for question in QUESTIONS.questions])
def test_a_session_is_as_it_should_be(seen: Seen, question: str) -> None:
    found = seen.answers[question]
    assert found.holds, f"{found.why}: {found}"


def test_nothing_but_the_tor_users_packets_leaves(seen: Seen) -> None:
    """They are as many as the firewall let through for that user; of the others' attempts none is among them."""
    sent = [p for p in mine(seen.guarded) if p.ethertype != ARP and not p.is_dhcp]
    assert all((p.ethertype, p.protocol) == (IPV4, TCP) for p in sent), {(p.ethertype, p.protocol) for p in sent}
    attempted = {address for address, _ in ATTEMPTS.values()}
    assert not attempted & {p.target for p in sent}
    assert len(sent) == seen.tor > 0


def test_the_browser_for_captive_portals_is_the_one_exception(seen: Seen) -> None:
    """Its user gets through while it is on, nobody else does, and then it is over."""
    assert {p.target for p in mine(seen.portal) if p.target.startswith("192.0.2.4")} == {"192.0.2.40"}


@pytest.mark.parametrize("attempt", list(ATTEMPTS))
def test_each_attempt_would_be_seen_without_the_firewall(seen: Seen, attempt: str) -> None:
    """Or that it is not seen would say nothing."""
    assert ATTEMPTS[attempt][0] in {p.target for p in mine(seen.open)}


def test_there_is_no_ipv6_on_the_network(seen: Seen) -> None:
    assert not [p for p in mine(seen.guarded + seen.open) if p.ethertype == IPV6]


def test_the_network_never_learns_the_cards_address_nor_a_name(seen: Seen) -> None:
    senders = {p.sender for p in mine(seen.guarded + seen.open)}
    assert len(senders) == 1 and ADDRESS not in senders
    hardware = bytes.fromhex(ADDRESS.replace(":", ""))
    for packet in seen.guarded:
        assert hardware not in packet.data and b"amnesia" not in packet.data


@pytest.mark.parametrize("name", ["stick.img", "inner.img"])
def test_no_disk_is_written_to(seen: Seen, name: str) -> None:
    before, after = seen.images[name]
    assert before == after


def test_what_was_typed_is_on_no_disk(seen: Seen) -> None:
    assert seen.images and not seen.kept


def test_memory_is_erased_at_the_end(seen: Seen) -> None:
    assert seen.held_before, "nothing was to be found in it before either"
    assert not seen.held_after


def test_the_desktop_is_on_the_screen(seen: Seen) -> None:
    """A panel above, icons on a background: many pixels of several colours."""
    with Image.open(seen.screen) as picture:
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours and len(colours) > 200
    most = max(colours)
    assert most[0] < 0.95 * sum(count for count, _ in colours) and most[1] != (0, 0, 0)
