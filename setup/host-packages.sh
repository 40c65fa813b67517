#!/usr/bin/env bash
# Have the host packages of a task: setup/host-packages.sh [--list] verify|test|bench|corpus|demo
#
# Looks whether each thing is there (a library, a program, a file), and installs what is missing through apt as
# root or with sudo that asks no password; else prints the one line to type and fails. Does nothing where all is there.
# --list only names the packages that are missing.
set -euo pipefail

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
LANG=C LC_ALL=C
export PATH LANG LC_ALL

list=
if [ "${1:-}" = --list ]; then list=yes; shift; fi
case "${1:-}" in verify | test | bench | corpus | demo) task=$1 ;; *) echo "usage: $0 [--list] verify|test|bench|corpus|demo" >&2; exit 2 ;; esac

missing=()  # of each thing, the packages that hold it: names of several releases, split by |
welcome=()  # the same for what is of use and can be done without

library() { ldconfig -p | grep -F "$1 " >/dev/null || missing+=("$2"); }
program() { command -v "$1" >/dev/null || missing+=("$2"); }
file() { compgen -G "$1" >/dev/null || missing+=("$2"); }
optional() { command -v "$1" >/dev/null || welcome+=("$2"); }

library libarchive.so.13 'libarchive13t64|libarchive13'
library libmagic.so.1 'libmagic1t64|libmagic1'
if [ "$(id -u)" != 0 ]; then
  optional newuidmap uidmap  # without it the fakeroot backend works
fi

if [ "$task" = test ]; then
  # oracles, makers of samples, and the virtual machine that boots images
  program apt-get apt
  program ar binutils
  program bzip2 bzip2
  program gcc gcc
  program make make
  program disorderfs disorderfs  # this and the next two are for hunting with the host's programs
  file '/usr/lib/*/faketime/libfaketime.so.1' libfaketime
  file /usr/share/i18n/SUPPORTED locales
  program mkfs.ext4 e2fsprogs
  program chromium chromium
  program cpio cpio
  program curl curl
  program debootsnap devscripts
  program debootstrap debootstrap
  program debuerreotype-init debuerreotype
  program apt-ftparchive apt-utils  # this and the next four are what debootsnap needs besides
  program equivs-build equivs
  file '/usr/lib/python3/dist-packages/pycurl*.so' python3-pycurl
  file /usr/lib/python3/dist-packages/requests/__init__.py python3-requests
  file /usr/lib/python3/dist-packages/debian/__init__.py python3-debian
  file /usr/share/perl5/Dpkg/Control.pm libdpkg-perl  # and these three are what debrebuild needs besides
  file /usr/share/perl5/LWP/UserAgent.pm libwww-perl
  file /usr/share/perl5/String/ShellQuote.pm libstring-shellquote-perl
  program dpkg-divert dpkg
  program fakeroot fakeroot
  program git git
  program gpg gnupg
  program gpg-agent gpg-agent
  program gpgv gpgv
  program grub-mkrescue grub-common
  program isoinfo genisoimage  # by which diffoscope, the oracle of deep comparisons, looks into an ISO
  program jq jq
  program lz4 lz4
  program mcopy mtools
  program mmdebstrap mmdebstrap
  program mkfs.vfat dosfstools
  program mke2fs e2fsprogs
  program mksquashfs squashfs-tools
  program newuidmap uidmap
  program openssl openssl
  program qemu-system-x86_64 qemu-system-x86
  program setpriv util-linux
  program sfdisk fdisk
  program sgdisk gdisk
  program ssh-agent openssh-client
  program shellcheck shellcheck
  program skopeo skopeo  # the oracle of OCI images
  program wget wget
  program xorriso xorriso
  program xz xz-utils
  program zstd zstd
  file /usr/lib/ISOLINUX/isolinux.bin isolinux
  file /usr/lib/grub/i386-pc/boot_hybrid.img grub-pc-bin
  file /usr/lib/grub/x86_64-efi/moddep.lst grub-efi-amd64-bin
  file '/usr/share/OVMF/OVMF_CODE*.fd' ovmf
fi
if [ "$task" = demo ]; then
  file '/usr/lib/*/faketime/libfaketime.so.1' libfaketime
fi
if [ "$task" = corpus ]; then
  # the programs whose leaks are planted
  program ar binutils
  program autoconf autoconf
  program bash bash
  program bison bison
  program bzip2 bzip2
  program convert imagemagick
  program cpio cpio
  program dbus-uuidgen dbus-bin
  program disorderfs disorderfs
  file '/usr/lib/*/faketime/libfaketime.so.1' libfaketime
  program flex flex
  program free procps
  program gcc gcc
  file /usr/include/stdio.h libc6-dev
  program genisoimage genisoimage
  program groff groff
  program gs ghostscript
  program help2man help2man
  file /usr/share/i18n/SUPPORTED locales
  program lzop lzop
  program m4 m4
  program make make
  program mandb man-db
  program mcopy mtools
  program mke2fs e2fsprogs
  program mkfs.vfat dosfstools
  program mkimage u-boot-tools
  program mkpasswd whois
  program mksquashfs squashfs-tools
  program oggenc vorbis-tools
  program openssl openssl
  program perl perl
  program pigz pigz
  program rrdtool rrdtool
  program rst2html python3-docutils
  program sgdisk gdisk
  program sox sox
  program sqlite3 sqlite3
  program ssh-keygen openssh-client
  program useradd passwd
  program uuidgen uuid-runtime
  program x86_64-w64-mingw32-ld binutils-mingw-w64-x86-64
  program xgettext gettext
  program xorriso xorriso
  program xsltproc xsltproc
  program xz xz-utils
  program zip zip
  program zstd zstd
fi
if [ "$task" = bench ]; then
  program lb live-build
  program debootstrap debootstrap
  program apt-get apt
  program cpio cpio
  program dpkg-deb dpkg
  program mformat mtools
  program mksquashfs squashfs-tools
  program wget wget
  program xorriso xorriso
  program zstd zstd
  # what diffoscope asks for to look into these images and the kinds of files in them
  program file file
  program getfacl acl
  program isoinfo genisoimage
  program lsattr e2fsprogs
  program msgunfmt gettext
  program readelf binutils
  program xxd 'xxd|vim-common'
fi

if [ ${#missing[@]} = 0 ] && [ ${#welcome[@]} = 0 ]; then exit 0; fi

# The first of the names in $1 that apt knows; the last where it knows none.
known() {
  local names name
  IFS='|' read -ra names <<<"$1"
  for name in "${names[@]}"; do
    if apt-cache show --no-all-versions "$name" 2>/dev/null | grep '^Package:' >/dev/null; then break; fi
  done
  echo "$name"
}

if [ -n "$list" ]; then
  for each in ${missing[@]+"${missing[@]}"}; do known "$each"; done
  exit 0
fi

if ! command -v apt-get >/dev/null; then
  if [ ${#missing[@]} = 0 ]; then exit 0; fi
  echo "This host has no apt. Install what holds these Debian packages' files by its own means, then try again:" >&2
  printf '  %s\n' "${missing[@]//|/ or }" >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n); else as_root=(no); fi
fi

if [ "${as_root[*]}" = no ]; then
  if [ ${#missing[@]} = 0 ]; then exit 0; fi
  packages=()
  for each in "${missing[@]}"; do packages+=("$(known "$each")"); done
  echo "Host packages are missing, and installing them takes root. Type this line, then try again:" >&2
  echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}" >&2
  exit 1
fi

apt() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2; }

apt update || echo "apt-get update failed; trying with the lists that are here" >&2
packages=()
for each in ${missing[@]+"${missing[@]}"} ${welcome[@]+"${welcome[@]}"}; do packages+=("$(known "$each")"); done
echo "installing host packages: ${packages[*]}" >&2
if ! apt install -y --no-install-recommends "${packages[@]}"; then
  if [ ${#missing[@]} = 0 ]; then exit 0; fi
  echo "apt could not install what $task needs: ${packages[*]}" >&2
  exit 1
fi
