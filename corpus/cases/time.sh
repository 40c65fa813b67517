# The time of day reaches what real programs write. The rest of the surroundings is the same on both sides.

## date: timestamps_in_text
date > built

## date-iso: timestamps_in_text
date -Iseconds > built

## date-seconds: timestamps_in_text
echo "BUILD_TIME=$(date +%s)" > build.env

## date-mail: timestamps_in_text
printf 'From: build@example.org\nDate: %s\nSubject: done\n' "$(date -R)" > message

## date-numbers: timestamps_in_text
echo "build $(date +%Y%m%d) of the image" > release

## date-german: timestamps_in_text
echo "gebaut am $(date +%d.%m.%Y) um $(date +%H:%M) Uhr" > stand.txt

## date-prose: timestamps_in_text
echo "Last modified on $(date '+%A, %d %B %Y')." > page.html

## date-year: timestamps_in_text
echo "Copyright (c) 2001-$(date +%Y) the authors" > copyright

## date-compact: timestamps_in_text
echo "#define STAMP \"$(date +%y%m%d-%H%M)\"" > stamp.h

## date-serial: timestamps_in_text
printf '@ IN SOA ns.example.org. root.example.org. ( %s01 3600 600 86400 600 )\n' "$(date +%Y%m%d)" > zone

## date-week: timestamps_in_text
echo "nightly of $(date +%G-W%V)" > nightly

## date-nanoseconds: timestamps_in_text
date '+{"at": "%Y-%m-%dT%H:%M:%S.%N%:z"}' > built.json

## python-ctime: timestamps_in_text
python3 -c 'import time; print("# generated", time.ctime())' > settings.py

## python-repr: timestamps_in_text
python3 -c 'import datetime; print("built =", repr(datetime.datetime.now()))' > version.py

## python-milliseconds: timestamps_in_text
python3 -c 'import json, time; print(json.dumps({"built": int(time.time() * 1000), "ok": True}))' > meta.json

## perl-localtime: timestamps_in_text
perl -e 'print "; made by a script at ", scalar localtime, "\n"' > config.ini

## make-database: timestamps_in_text
printf 'all: ;\n' > "$SRC/Makefile"
make -C "$SRC" -p -n | grep '^# .*on ' > database

## pod2man: timestamps_in_text
printf '=head1 NAME\n\nthing - does things\n' > "$SRC/thing.pod"
touch -d "@$(date +%s)" "$SRC/thing.pod"
pod2man --section=1 "$SRC/thing.pod" > thing.1

## pod2man-gzip: timestamps_in_text
printf '=head1 NAME\n\nthing - does things\n' > "$SRC/thing.pod"
touch -d "@$(date +%s)" "$SRC/thing.pod"
pod2man --section=1 "$SRC/thing.pod" | gzip -n9 > thing.1.gz

## help2man: timestamps_in_text
printf '#!/bin/sh\necho "thing 1.0"\n' > "$SRC/thing"
chmod +x "$SRC/thing"
help2man --no-info "$SRC/thing" > thing.1

## xgettext: timestamps_in_text
echo 'print(_("hello"))' > "$SRC/hello.py"
xgettext --output=hello.pot "$SRC/hello.py"

## msgfmt: timestamps_in_text
printf 'msgid ""\nmsgstr ""\n"PO-Revision-Date: %s\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "a"\nmsgstr "b"\n' \
  "$(date '+%Y-%m-%d %H:%M%z')" > "$SRC/x.po"
msgfmt --output-file=x.mo "$SRC/x.po"

## groff-html: timestamps_in_text
printf '.TH X 1\n.SH NAME\nx\n' > "$SRC/x.1"
groff -man -Tps "$SRC/x.1" > x.ps

## ghostscript: timestamps_in_text random_identifier random_uuid
printf '%%!PS\n/Courier findfont 12 scalefont setfont 72 72 moveto (x) show showpage\n' > "$SRC/x.ps"
ps2pdf "$SRC/x.ps" x.pdf

## groff-pdf: timestamps_in_text
printf '.TH X 1\n.SH NAME\nx\n' > "$SRC/x.1"
groff -man -Tpdf "$SRC/x.1" > x.pdf

## docutils: timestamps_in_text
printf 'Title\n=====\n\nWritten |now|.\n\n.. |now| date:: %%d %%B %%Y %%H:%%M\n' > "$SRC/x.rst"
rst2html "$SRC/x.rst" x.html

## autoconf-header: timestamps_in_text
printf 'AC_INIT([x],[m4_esyscmd_s([date -u +%%Y%%m%%d.%%H%%M%%S])])\nAC_OUTPUT\n' > "$SRC/configure.ac"
(cd "$SRC" && autoconf -o configure)
grep '^PACKAGE_VERSION=' "$SRC/configure" > version

## sqlite: timestamps_in_text timestamps_in_binary
sqlite3 x.db "CREATE TABLE built (at TEXT); INSERT INTO built VALUES (datetime('now'));"

## sqlite-number: timestamps_in_binary
sqlite3 x.db "CREATE TABLE built (at INTEGER); INSERT INTO built VALUES (strftime('%s', 'now'));"

## listing: timestamps_in_text
touch -d "@$(date +%s)" "$SRC/a" "$SRC/b"
(cd "$SRC" && LC_ALL=C ls -l) > listing

## mtree-shadow: timestamps_in_text
printf 'root:*:%s:0:99999:7:::\ndaemon:*:%s:0:99999:7:::\n' $(($(date +%s) / 86400)) $(($(date +%s) / 86400)) > shadow

## debian-changelog: timestamps_in_text
printf 'x (1.0) unstable; urgency=low\n\n  * Built.\n\n -- A <a@example.org>  %s\n' "$(date -R)" > changelog

## c-date: timestamps_from_cpp_macros
printf '#include <stdio.h>\nint main(void) { puts("built " __DATE__ " " __TIME__); }\n' > "$SRC/x.c"
gcc -o x "$SRC/x.c"

## c-date-object: timestamps_from_cpp_macros
printf 'const char *when = __DATE__;\nconst char *clock = __TIME__;\n' > "$SRC/x.c"
gcc -c -o x.o "$SRC/x.c"

## c-date-library: timestamps_from_cpp_macros
printf 'const char when[] = __DATE__ " at " __TIME__;\n' > "$SRC/x.c"
gcc -c -o "$SRC/x.o" "$SRC/x.c"
ar rcD libx.a "$SRC/x.o"

## c-number: timestamps_in_binary
printf 'const unsigned stamp = NOW;\nconst unsigned long long wide = NOW;\n' > "$SRC/x.c"
gcc -c "-DNOW=$(date +%s)" -o x.o "$SRC/x.c"

## gzip: timestamps_in_gzip_headers
yes text | head -500 > x
touch -d "@$(date +%s)" x
gzip x

## gzip-python: timestamps_in_gzip_headers
python3 -c 'import gzip; gzip.open("x.gz", "wb").write(b"text " * 99)'

## gzip-perl: timestamps_in_gzip_headers
perl -MIO::Compress::Gzip=gzip -e 'my $text = "text " x 99; gzip \$text => "x.gz", -Time => time'

## gzip-pigz: timestamps_in_gzip_headers
yes text | head -500 > x
touch -d "@$(date +%s)" x
pigz x

## zip: timestamps_in_zip
echo text > "$SRC/a.txt"
echo more > "$SRC/b.txt"
touch -d "@$(date +%s)" "$SRC/a.txt" "$SRC/b.txt"
(cd "$SRC" && zip -qX - a.txt b.txt) > x.zip

## zip-python: timestamps_in_zip
python3 -c 'import zipfile; zipfile.ZipFile("x.whl", "w").writestr("x/__init__.py", "x = 1\n")'

## zip-python-deflated: timestamps_in_zip
python3 -c 'import zipfile; z = zipfile.ZipFile("x.epub", "w", 8); [z.writestr(f"{n}.xhtml", "text" * 99) for n in range(9)]'

## fastjar: timestamps_in_jar
mkdir "$SRC/META-INF"
printf 'Manifest-Version: 1.0\n' > "$SRC/META-INF/MANIFEST.MF"
touch -d "@$(date +%s)" "$SRC/META-INF/MANIFEST.MF"
(cd "$SRC" && zip -qrX - META-INF) > x.jar

## python-compile: timestamps_in_pyc
echo 'x = 1' > "$SRC/x.py"
touch -d "@$(date +%s)" "$SRC/x.py"
python3 -c 'import py_compile, sys; py_compile.compile(sys.argv[1], "x.pyc", dfile="x.py")' "$SRC/x.py"

## python-compileall: timestamps_in_pyc
mkdir -p package
printf 'def f():\n    return 2\n' > package/__init__.py
touch -d "@$(date +%s)" package/__init__.py
python3 -m compileall -q package

## mingw: timestamps_in_pe_binaries
printf '.globl start\nstart: ret\n' > "$SRC/x.s"
x86_64-w64-mingw32-as -o "$SRC/x.o" "$SRC/x.s"
x86_64-w64-mingw32-ld -e start -o x.exe "$SRC/x.o"

## mingw-dll: timestamps_in_pe_binaries
printf '.globl DllMain\nDllMain: ret\n' > "$SRC/x.s"
x86_64-w64-mingw32-as -o "$SRC/x.o" "$SRC/x.s"
x86_64-w64-mingw32-ld -shared -e DllMain -o x.dll "$SRC/x.o"

## imagemagick: timestamps_in_png
convert -size 16x16 xc:blue x.png

## librsvg: timestamps_in_png
printf '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>' > "$SRC/x.svg"
convert "$SRC/x.svg" -set date:modify "$(date -Iseconds)" x.png

## tar: timestamps_of_members
mkdir "$SRC/t"
echo text > "$SRC/t/a"
touch -d "@$(date +%s)" "$SRC/t/a" "$SRC/t"
tar -C "$SRC" --sort=name --owner=0 --group=0 -cf x.tar t

## tar-gzip: timestamps_of_members
echo text > "$SRC/a"
touch -d "@$(date +%s)" "$SRC/a"
tar -C "$SRC" --owner=0 --group=0 -cf - a | gzip -n > x.tar.gz

## tar-xz: timestamps_of_members
echo text > "$SRC/a"
touch -d "@$(date +%s)" "$SRC/a"
tar -C "$SRC" --owner=0 --group=0 -cJf x.tar.xz a

## ar: timestamps_of_members
echo text > "$SRC/a"
touch -d "@$(date +%s)" "$SRC/a"
ar rcU x.a "$SRC/a"

## cpio: timestamps_of_members
echo text > "$SRC/a"
touch -d "@$(date +%s)" "$SRC/a"
(cd "$SRC" && echo a | cpio --quiet --reproducible -o -H newc) > x.cpio

## dpkg-deb: timestamps_of_members
mkdir -p "$SRC/p/DEBIAN" "$SRC/p/usr/share/x"
printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n' > "$SRC/p/DEBIAN/control"
echo text > "$SRC/p/usr/share/x/a"
find "$SRC/p" -exec touch -hd "@$(date +%s)" {} +
dpkg-deb --root-owner-group --build "$SRC/p" x.deb

## squashfs-members: timestamps_of_members timestamps_in_containers
mkdir "$SRC/t"
echo text > "$SRC/t/a"
touch -d "@$(date +%s)" "$SRC/t/a" "$SRC/t"
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-root -mkfs-time 0

## squashfs-itself: timestamps_in_containers
mkdir "$SRC/t"
echo text > "$SRC/t/a"
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-root -all-time 0

## iso-members: timestamps_of_members timestamps_in_containers
mkdir "$SRC/t"
echo text > "$SRC/t/a"
touch -d "@$(date +%s)" "$SRC/t/a" "$SRC/t"
xorriso -as mkisofs -quiet -R -o x.iso "$SRC/t"

## iso-genisoimage: timestamps_of_members timestamps_in_containers
mkdir "$SRC/t"
echo text > "$SRC/t/a"
touch -d "@$(date +%s)" "$SRC/t/a" "$SRC/t"
genisoimage -quiet -r -J -o x.iso "$SRC/t"

## ext4: timestamps_in_containers timestamps_of_members random_uuid
mkdir "$SRC/t"
echo text > "$SRC/t/a"
touch -d "@$(date +%s)" "$SRC/t/a" "$SRC/t"
truncate -s 1M x.ext4
mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -U 11111111-1111-1111-1111-111111111111 \
  -E hash_seed=11111111-1111-1111-1111-111111111111 -d "$SRC/t" x.ext4

## fat: timestamps_of_members
mkdir "$SRC/t"
echo text > "$SRC/t/a"
touch -d "@$(date +%s)" "$SRC/t/a"
truncate -s 1M x.img
mkfs.vfat -i 12345678 --invariant x.img > "$SRC/log"
mcopy -m -i x.img "$SRC/t/a" ::a

## fat-serial: random_uuid
truncate -s 1M x.img
mformat -i x.img -t 1 -h 64 -s 32 ::

## mkimage: timestamps_in_binary
echo text > "$SRC/a"
mkimage -A arm -T script -C none -n x -d "$SRC/a" x.scr > "$SRC/log"

## lzop: timestamps_in_binary
echo text > "$SRC/a"
touch -d "@$(date +%s)" "$SRC/a"
lzop -q -o x.lzo "$SRC/a"

## rrdtool: timestamps_in_binary
rrdtool create x.rrd --start now --step 300 DS:load:GAUGE:600:U:U RRA:AVERAGE:0.5:1:10

## m4: timestamps_in_text
echo 'esyscmd(date -u)built' | m4 > x.conf

## xslt: timestamps_in_text
printf '<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform" xmlns:d="http://exslt.org/dates-and-times"><x:template match="/"><p at="{d:date-time()}"/></x:template></x:stylesheet>' > "$SRC/x.xsl"
echo '<a/>' > "$SRC/a.xml"
xsltproc "$SRC/x.xsl" "$SRC/a.xml" > x.xml

## desktop-cache: timestamps_in_text
echo "X-Generated=$(date '+%Y/%m/%d %H:%M:%S')" > x.desktop

## java-properties: timestamps_in_text
printf '#%s\nversion=1\n' "$(LC_ALL=C date)" > build.properties

## sphinx-like: timestamps_in_text
echo "Last updated on $(date '+%b %d, %Y')." > index.html

## version-suffix: timestamps_in_text
echo "version=1.2~git$(date +%Y%m%d%H%M%S)" > version

## access-log: timestamps_in_text
echo "127.0.0.1 - - [$(date '+%d/%b/%Y:%H:%M:%S %z')] \"GET /\"" > access.log

## http-date: timestamps_in_text
echo "Expires: $(date -u '+%a, %d %b %Y %H:%M:%S GMT')" > headers

## time-only: timestamps_in_text
echo "finished at $(date +%T)" > log

## rfc3339: timestamps_in_text
date --rfc-3339=seconds > stamp

## two-digit-year: timestamps_in_text
date +%m/%d/%y > stamp

## gzip-name: timestamps_in_gzip_headers
yes words | head -90 > notes.txt
touch -d "@$(date +%s)" notes.txt
gzip -9 notes.txt

## initramfs: timestamps_of_members
mkdir -p "$SRC/i/bin"
echo tool > "$SRC/i/bin/tool"
find "$SRC/i" -exec touch -hd "@$(date +%s)" {} +
(cd "$SRC/i" && find . | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc | gzip -n) > initrd.img

## squashfs-in-iso: timestamps_of_members timestamps_in_containers
mkdir "$SRC/t" "$SRC/iso"
echo text > "$SRC/t/a"
touch -d "@$(date +%s)" "$SRC/t/a" "$SRC/t"
mksquashfs "$SRC/t" "$SRC/iso/filesystem.squashfs" -quiet -no-progress -all-root -mkfs-time 0
touch -d @0 "$SRC/iso/filesystem.squashfs" "$SRC/iso"
xorriso -as mkisofs -quiet -R --modification-date=2023111422132000 --set_all_file_dates 2023111422132000 -o x.iso "$SRC/iso"

## useradd: timestamps_in_text
mkdir -p "$SRC/root/etc"
printf 'root:x:0:0::/:/bin/sh\n' > "$SRC/root/etc/passwd"
printf 'root:x:0:\n' > "$SRC/root/etc/group"
printf 'root:*:19000:0:99999:7:::\n' > "$SRC/root/etc/shadow"
useradd --prefix "$SRC/root" --system --no-create-home tor 2> "$SRC/log"
cp "$SRC/root/etc/shadow" shadow

## dpkg-log: timestamps_in_text
mkdir -p "$SRC/p/DEBIAN" "$SRC/root/var/lib/dpkg"
printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n' > "$SRC/p/DEBIAN/control"
dpkg-deb --root-owner-group --build "$SRC/p" "$SRC/x.deb" > "$SRC/log"
touch "$SRC/root/var/lib/dpkg/status"
dpkg --root="$SRC/root" --force-not-root --log="$PWD/dpkg.log" -i "$SRC/x.deb" > "$SRC/log" 2>&1

## mandb: timestamps_in_binary timestamps_in_text
mkdir -p "$SRC/man/man1"
printf '.TH X 1\n.SH NAME\nx \\- does things\n' > "$SRC/man/man1/x.1"
touch -d "@$(date +%s)" "$SRC/man/man1/x.1"
mandb --quiet --create "$SRC/man" 2> "$SRC/log" || true
cp "$SRC/man/index.db" index.db
