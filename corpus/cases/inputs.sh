# Both sides are made in the same surroundings, of other inputs: CORPUS_SIDE is `left` or `right`.

## gzip-level: compressor
level=1; [ "$CORPUS_SIDE" = left ] || level=9
seq 9999 | gzip -n$level > x.gz

## gzip-implementation: compressor
program=gzip; [ "$CORPUS_SIDE" = left ] || program=pigz
seq 9999 | $program -n9 > x.gz

## xz-level: compressor
level=0; [ "$CORPUS_SIDE" = left ] || level=6
seq 9999 | xz -$level > x.xz

## xz-check: compressor
check=crc32; [ "$CORPUS_SIDE" = left ] || check=crc64
seq 9999 | xz --check=$check > x.xz

## bzip2-level: compressor
level=1; [ "$CORPUS_SIDE" = left ] || level=9
seq 99999 | bzip2 -$level > x.bz2

## zstd-level: compressor
level=1; [ "$CORPUS_SIDE" = left ] || level=19
seq 9999 | zstd -q -$level > x.zst

## tar-compressor: compressor
level=1; [ "$CORPUS_SIDE" = left ] || level=9
(cd "$SRC" && seq 9999 > a && tar --mtime=@0 --owner=0 --group=0 -cf - a | gzip -n$level) > x.tar.gz

## squashfs-level: compressor
level=1; [ "$CORPUS_SIDE" = left ] || level=9
mkdir "$SRC/t"
seq 99999 > "$SRC/t/a"
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-root -all-time 0 -mkfs-time 0 -comp gzip -Xcompression-level $level

## zip-level: compressor
level=1; [ "$CORPUS_SIDE" = left ] || level=9
seq 9999 > "$SRC/a"
touch -d @400000000 "$SRC/a"
(cd "$SRC" && zip -qX -$level - a) > x.zip

## png-level: compressor
level=1; [ "$CORPUS_SIDE" = left ] || level=9
convert -size 64x64 gradient: -define png:exclude-chunks=date,tIME -quality ${level}0 x.png

## package-added: inputs_differ
mkdir "$SRC/t"
cd "$SRC/t"
mkdir -p var/lib/dpkg/info usr/share/doc/first
echo '/usr/share/doc/first' > var/lib/dpkg/info/first.list
printf 'Package: first\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n' > var/lib/dpkg/status
echo text > usr/share/doc/first/copyright
if [ "$CORPUS_SIDE" = right ]; then
  mkdir -p usr/share/doc/second
  echo '/usr/share/doc/second' > var/lib/dpkg/info/second.list
  printf '\nPackage: second\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n' >> var/lib/dpkg/status
  echo text > usr/share/doc/second/copyright
fi
cd "$OLDPWD"
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-root -all-time 0 -mkfs-time 0

## library-version: inputs_differ
version=1.2.3; [ "$CORPUS_SIDE" = left ] || version=1.2.4
mkdir lib
echo code > lib/libx.so.$version

## kernel-version: inputs_differ
version=6.1.0-37; [ "$CORPUS_SIDE" = left ] || version=6.1.0-38
mkdir -p lib/modules
echo module > lib/modules/x-$version.ko

## package-version: inputs_differ
version=1.2.3-1; [ "$CORPUS_SIDE" = left ] || version=1.2.3-2
printf 'Package: x\nStatus: install ok installed\nArchitecture: all\nVersion: %s\n' $version > status

## xattr: host_xattrs
mkdir "$SRC/t"
echo text > "$SRC/t/a"
[ "$CORPUS_SIDE" = left ] || { python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.origin", b"here")' "$SRC/t/a"; }
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-root -all-time 0 -mkfs-time 0

## stripped-comment: inputs_differ
version=12; [ "$CORPUS_SIDE" = left ] || version=13
printf '.section .comment\n.string "GCC: (Debian %s.2.0-14) %s.2.0"\n' $version $version > "$SRC/x.s"
as -o x.o "$SRC/x.s"

## package-removed: inputs_differ
mkdir "$SRC/t"
cd "$SRC/t"
mkdir -p var/lib/dpkg/info usr/bin
echo '/usr/bin/first' > var/lib/dpkg/info/first.list
printf 'Package: first\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n' > var/lib/dpkg/status
if [ "$CORPUS_SIDE" = left ]; then
  printf '/usr/bin\n/usr/bin/old\n' > var/lib/dpkg/info/old:amd64.list
  echo 'd41d8cd98f00b204e9800998ecf8427e  usr/bin/old' > var/lib/dpkg/info/old:amd64.md5sums
  printf '\nPackage: old\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\nDepends: libc6 (>= 2.36)\nDescription: old\n' >> var/lib/dpkg/status
  echo old > usr/bin/old
fi
cd "$OLDPWD"
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-root -all-time 0 -mkfs-time 0

## package-upgraded: inputs_differ
mkdir "$SRC/t"
cd "$SRC/t"
version=1.0-1; [ "$CORPUS_SIDE" = left ] || version=1.1-1
mkdir -p var/lib/dpkg/info usr/lib
printf 'Package: libx1\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\n' $version > var/lib/dpkg/status
echo "/usr/lib/libx.so.${version%-1}" > var/lib/dpkg/info/libx1.list
echo "code of $version" > usr/lib/libx.so.${version%-1}
cd "$OLDPWD"
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-root -all-time 0 -mkfs-time 0

## manifest: inputs_differ
version=5.36.0-7; [ "$CORPUS_SIDE" = left ] || version=5.36.0-7+deb12u2
printf 'bash\t5.2.15-2+b7\nperl\t%s\nsed\t4.9-1\n' $version > filesystem.manifest

## module-version: inputs_differ
version=3.11.2; [ "$CORPUS_SIDE" = left ] || version=3.11.9
mkdir -p lib
echo data > lib/python-$version.tar

## compiler: inputs_differ
version=12.2.0; [ "$CORPUS_SIDE" = left ] || version=13.1.0
echo "built with gcc version $version (Debian)" > build-info
