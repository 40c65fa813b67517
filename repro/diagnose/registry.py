"""Every rule there is: label, what it looks at, remedy, where to read more. The judging is in the other modules."""

from __future__ import annotations

from repro.diagnose.rule import Rule
from repro.model.cause import UNKNOWN

_LISTED = (
    Rule(
        "timestamps_in_text",
        "times and dates in lines that are the same on both sides but for them: ISO 8601, RFC 5322, date(1), ctime, "
        "names of months, PDF dates, seconds since 1970, days since 1970 in shadow",
        "have the program take its time from SOURCE_DATE_EPOCH, or leave the time out",
        "timestamps",
    ),
    Rule(
        "timestamps_from_cpp_macros",
        "a date or time as __DATE__ and __TIME__ give it, in machine code",
        "set SOURCE_DATE_EPOCH, which GCC 7 and Clang 16 honour, or drop the macro; -Werror=date-time finds it",
        "#",
    ),
    Rule(
        "timestamps_in_binary",
        "a 32 or 64 bit number of either byte order where the sides differ that is a time on both",
        "have the program that writes the file take its time from SOURCE_DATE_EPOCH",
        "timestamps",
    ),
    Rule(
        "timestamps_in_gzip_headers",
        "MTIME in the header of a gzip file (RFC 1952)",
        "compress with `gzip -n`, or from standard input",
        "timestamps",
    ),
    Rule(
        "timestamps_in_zip",
        "the DOS times of a zip file's entries",
        "zip -X after `touch -d @$SOURCE_DATE_EPOCH`, or strip-nondeterminism; set TZ=UTC, for DOS times are local",
        "#",
    ),
    Rule(
        "timestamps_in_jar",
        "the DOS times of a jar's entries",
        "jar --date=… (JDK 17), or strip-nondeterminism",
        "#",
    ),
    Rule(
        "timestamps_in_pyc",
        "the time of the source in the header of a .pyc (PEP 552)",
        "set SOURCE_DATE_EPOCH or compile with --invalidation-mode unchecked-hash; normalizer `bytecode`",
        "timestamps",
    ),
    Rule(
        "timestamps_in_pe_binaries",
        "TimeDateStamp in the header of a PE file",
        "link with --no-insert-timestamp, or a linker that honours SOURCE_DATE_EPOCH",
        "#",
    ),
    Rule("timestamps_in_png", "the tIME and tEXt chunks of a PNG", "optipng -strip all, or strip-nondeterminism"),
    Rule(
        "timestamps_of_members",
        "the times of members of tar, ar, cpio, squashfs, ISO 9660, FAT and ext",
        "clamp them to SOURCE_DATE_EPOCH: tar --mtime --clamp-mtime, ar D, touch; normalizer `clamped-times`",
        "archives",
    ),
    Rule(
        "timestamps_in_containers",
        "the times that a container bears itself: squashfs, volume descriptors, FAT, ext superblocks",
        "set SOURCE_DATE_EPOCH for the tool that makes it; normalizers `squashfs-time` and `iso-dates`",
        "system-images",
    ),
    Rule(
        "timezone",
        "times that differ by whole quarters of an hour, or zones beside times",
        "set TZ=UTC for the build, print times as UTC; normalizers `iso-timezone` and `fat-times`",
        "timezones",
    ),
    Rule(
        "locale_order",
        "the same lines in another order, sorted by another collation on one side",
        "sort with LC_ALL=C",
        "locales",
    ),
    Rule(
        "locale_text",
        "text in another language or encoding, names of locales, decimal commas",
        "build with LC_ALL=C.UTF-8",
        "locales",
    ),
    Rule(
        "directory_order",
        "the same lines, which are names of files, checksums or plain text, in an order that is no sorting",
        "sort what readdir, find, ls -U or glob give; in Python sorted(os.listdir(…))",
        "stable-inputs",
    ),
    Rule(
        "hash_order",
        "the same words or lines in another order, as keys of a hash come out",
        "sort the keys when printing; PERL_HASH_SEED=0 and PYTHONHASHSEED=0 hide it",
        "stable-outputs",
    ),
    Rule(
        "member_order",
        "the order of an archive's or image's members",
        "hand the members over sorted: tar --sort=name, zip from a sorted list; normalizer `member-order`",
        "archives",
    ),
    Rule(
        "hard_link_order",
        "which name of several hard links bears the content, or how many links there are",
        "archive in sorted order; keep atimes off (mount noatime) for mksquashfs",
        "archives",
    ),
    Rule(
        "random_uuid",
        "UUIDs and serials of file systems, partition tables and documents",
        "derive it from SOURCE_DATE_EPOCH or the content: mkfs -U, mformat -N; normalizer `fat-serial`",
        "randomness",
    ),
    Rule(
        "random_key",
        "keys, certificates and password hashes",
        "do not make keys in a build: make them at first boot; normalizer `host-keys` removes those of packages",
        "randomness",
    ),
    Rule(
        "random_identifier",
        "words of digits, hexadecimal or base64 that have nothing in common",
        "seed the generator with a constant, or derive the value from the content",
        "randomness",
    ),
    Rule(
        "temporary_name",
        "names as mktemp and mkdtemp make them, in paths",
        "use a fixed name below the build directory",
        "randomness",
    ),
    Rule("process_id", "small numbers beside `pid` or `process`", "leave the process id out", "randomness"),
    Rule(
        "captures_build_path",
        "absolute paths that end alike and begin in other folders",
        "-ffile-prefix-map=$PWD=. for compilers; else build in one fixed path",
        "#",
    ),
    Rule(
        "captures_home_dir",
        "home directories in paths",
        "set HOME to a fixed folder, or do not write it down",
        "#",
    ),
    Rule(
        "captures_hostname",
        "names in the places of a host's name: /etc/hostname, user@host, host=…",
        "fix the host name for the build (unshare --uts), or leave it out; normalizer `host-names`",
        "volatile-inputs",
    ),
    Rule(
        "captures_user",
        "names of users and groups, and ids beside them",
        "fix USER and LOGNAME, or leave the name out",
        "volatile-inputs",
    ),
    Rule(
        "captures_kernel_version",
        "versions of kernels as uname -r gives them",
        "ask for the target's version, not the running kernel's",
        "#",
    ),
    Rule(
        "captures_cpu",
        "model, number, flags and type of the processor",
        "build for a fixed baseline (-march=x86-64), not for `native`",
        "volatile-inputs",
    ),
    Rule(
        "captures_parallelism",
        "numbers of jobs or threads: -j4, parallel=4, MAKEFLAGS",
        "leave the number of jobs out of what is written",
        "volatile-inputs",
    ),
    Rule(
        "captures_memory_address",
        "hexadecimal addresses as %p and repr() print them: 0x7ffd5e6f1a2c",
        "do not print addresses; setarch -R hides it",
        "randomness",
    ),
    Rule("captures_memory", "amounts of memory: MemTotal, kB", "leave the machine's memory out", "volatile-inputs"),
    Rule(
        "captures_environment",
        "lines NAME=value that one side alone has; variables of the builder alone, such as PATH, that are not the same",
        "do not write the environment down; clean it with env -i",
        "volatile-inputs",
    ),
    Rule(
        "different_due_to_umask",
        "modes that differ by permissions of group and others alone, one including the other",
        "set the mode with install -m or chmod, or umask 022 at the start of the script",
        "#",
    ),
    Rule(
        "uid_gid_drift",
        "owners that differ within the ids that packages are given (100 to 999), the same accounts with other ids",
        "fix the order in which users are made: sysusers.d with fixed ids; tar --numeric-owner",
        "archives",
    ),
    Rule(
        "captures_owner",
        "owners that are the builder's own",
        "tar --owner=0 --group=0 --numeric-owner; dpkg-deb --root-owner-group",
        "archives",
    ),
    Rule(
        "host_xattrs",
        "extended attributes that a host gives: security.*, user.*",
        "leave them out: mksquashfs -no-xattrs, tar --no-xattrs",
        "archives",
    ),
    Rule(
        "build_id_differences_only",
        "ELF files whose build-id alone differs, with what follows from it",
        "find what goes into the link and is stripped afterwards: the build path or the compiler's version, usually",
        "#",
    ),
    Rule(
        "uninitialized_memory",
        "padding, slack and reserved bytes that are not zero",
        "clear buffers before filling them (memset, calloc)",
        "value-initialization",
    ),
    Rule(
        "compressor",
        "compressed bytes that differ around the same content: another level, version or implementation",
        "pin the compressor's version and level, and its number of threads",
        "archives",
    ),
    Rule(
        "inputs_differ",
        "packages that one side alone has, or has in another version, versions of packages and compilers in text: not "
        "nondeterminism, the inputs differ",
        "build both from the same lock",
        "definition",
    ),
    Rule(
        "hash_of_what_differs",
        "a digest that the text calls one (sha256:…): what it is the digest of differs",
        "settle what it is the digest of",
        "definition",
    ),
    Rule(
        UNKNOWN,
        "nothing: this says that no rule explains a divergence",
        "look at the text diff, or let `repro hunt` find the factor",
    ),
)

RULES = {rule.label: rule for rule in _LISTED}
