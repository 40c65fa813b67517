"""The normalizers: what a root tree is rid of because it would differ from build to build, each with its reason.

Sources: Debian's live-build and mmdebstrap, Tails' hooks, the reproducible-builds.org issue list; `fixed` says since
which version of which package upstream does without, by the changelog of that package. Standard library only: the
table goes into the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from repro.image import rewrite


@dataclass(frozen=True)
class Normalizer:
    """`patterns` are shell patterns below the root (`*` does not cross `/`, a last `/**` means all below).

    `wanted` gives what a regular file should hold, from what it holds and the time of the build in seconds since 1970;
    None where the file goes. Without it everything that matches goes. `fixed`: package and version since which the
    normalizer is not needed where SOURCE_DATE_EPOCH is set; both empty: it still is.
    """

    name: str
    reason: str
    patterns: tuple[str, ...]
    wanted: Callable[[bytes, int], bytes | None] | None = None
    fixed: tuple[str, str] = ("", "")


NORMALIZERS = (
    Normalizer(
        "machine-id",
        "identity of one machine; empty, so that the first boot makes one",
        ("etc/machine-id",),
        rewrite.empty,
    ),
    Normalizer("dbus-machine-id", "identity of one machine", ("var/lib/dbus/machine-id",)),
    Normalizer(
        "host-keys",
        "secrets and identities made at installation",
        (
            "etc/ssh/ssh_host_*_key*",
            "etc/ssl/private/ssl-cert-snakeoil.key",
            "etc/ssl/certs/ssl-cert-snakeoil.pem",
            "etc/nvme/hostid",
            "etc/nvme/hostnqn",
            "etc/udev/rules.d/70-persistent-*.rules",
            "var/lib/systemd/random-seed",
            "var/lib/urandom/random-seed",
        ),
    ),
    Normalizer("logs", "time, host and order of the installation", ("var/log/**",), rewrite.empty),
    Normalizer(
        "apt-state",
        "indexes and archives of one run; binary caches hold paths and times",
        ("var/lib/apt/lists/**", "var/cache/apt/archives/**", "var/cache/apt/*.bin", "var/lib/apt/extended_states.bak"),
    ),
    Normalizer(
        "dpkg-available",
        "whole stanzas of the index that packages came from; dpkg does without",
        ("var/lib/dpkg/available",),
        rewrite.empty,
    ),
    Normalizer(
        "kernel-autoremove",
        "apt's list of kernels to keep names the one that runs",
        ("etc/apt/apt.conf.d/01autoremove-kernels",),
        fixed=("apt", "2.1.16"),
    ),
    Normalizer(
        "backups",
        "the state before the last change depends on the order of changes",
        (
            "var/lib/dpkg/*-old",
            "var/cache/debconf/*-old",
            "etc/passwd-",
            "etc/shadow-",
            "etc/group-",
            "etc/gshadow-",
            "etc/subuid-",
            "etc/subgid-",
            "etc/.pwd.lock",
            "usr/share/info/dir.old",
            "var/lib/dpkg/lock*",
            "var/lib/dpkg/triggers/Lock",
            "var/lib/apt/daily_lock",
        ),
    ),
    Normalizer(
        "ldconfig-cache", "inodes and times of the libraries; made anew when needed", ("var/cache/ldconfig/aux-cache",)
    ),
    Normalizer("journal-catalog", "times and order; made anew at boot", ("var/lib/systemd/catalog/database",)),
    Normalizer("man-cache", "made anew every day; holds times and the order of a hash", ("var/cache/man/**",)),
    Normalizer("home-cache", "what programs keep for the user who built", ("root/.cache",)),
    Normalizer(
        "appstream-cache",
        "made anew when packages change; holds times",
        ("var/cache/app-info/**", "var/cache/swcatalog/**"),
    ),
    Normalizer(
        "icon-cache",
        "icons in the order of the folder; made anew when needed",
        ("usr/share/icons/*/icon-theme.cache",),
        fixed=("libgtk-3-bin", "3.24.16-1"),
    ),
    Normalizer(
        "font-cache",
        "times of the folders of fonts; made anew when needed",
        ("var/cache/fontconfig/**",),
        fixed=("fontconfig", "2.13.1-4.3"),
    ),
    Normalizer(
        "gtk2-modules",
        "GTK 2's list of input methods names the home of whoever made it",
        ("usr/lib/*/gtk-2.0/*/immodules.cache",),
        rewrite.gtk2_modules,
    ),
    Normalizer(
        "vlc-plugins",
        "plugins in the order of the folder, with times; VLC looks for them itself",
        ("usr/lib/*/vlc/plugins/plugins.dat",),
    ),
    Normalizer("dkms-log", "time, host and kernel of a module's compilation", ("var/lib/dkms/*/*/*/*/log/make.log",)),
    Normalizer("tex-logs", "time of the making of TeX's formats", ("var/lib/texmf/web2c/**/*.log",)),
    Normalizer("volatile", "belongs to a running system", ("run/**", "tmp/**", "var/tmp/**")),
    Normalizer(
        "bytecode",
        "a .pyc with the time of its source; Python makes it again",
        ("usr/**/*.pyc",),
        rewrite.stale_bytecode,
        ("python3-minimal", "3.7.2"),
    ),
    Normalizer(
        "shadow-days",
        "the day on which an account was made",
        ("etc/shadow",),
        rewrite.shadow_days,
        ("passwd", "1:4.7"),
    ),
    Normalizer("clock-drift", "when the hardware clock was adjusted", ("etc/adjtime",), rewrite.adjtime),
    Normalizer(
        "mdadm-date",
        "the time at which the file was made",
        ("etc/mdadm/mdadm.conf",),
        rewrite.mdadm_date,
        ("mdadm", "4.2~rc2-3"),
    ),
    Normalizer(
        "java-certificates",
        "each certificate with the time at which it was added, in the order of a hash",
        ("etc/ssl/certs/java/cacerts",),
        rewrite.java_keystore,
    ),
    Normalizer(
        "info-menu", "manuals in the order of their installation", ("usr/share/info/dir",), rewrite.info_directory
    ),
    Normalizer(
        "sax-parsers",
        "features of XML parsers in the order of a Perl hash",
        ("etc/perl/XML/SAX/ParserDetails.ini", "var/lib/libxml-sax-perl/ParserDetails.d/*"),
        rewrite.sax_parsers,
        ("libxml-sax-perl", "1.02+dfsg-2"),
    ),
    Normalizer(
        "dictionaries",
        "locales of dictionaries in the order of a Perl hash",
        ("var/cache/dictionaries-common/*.db",),
        rewrite.dictionaries,
        ("dictionaries-common", "1.28.13"),
    ),
    Normalizer(
        "host-names",
        "mmdebstrap copies these from where it runs; live-config writes them at boot",
        ("etc/hostname", "etc/resolv.conf"),
    ),
)
