# The umask reaches the modes of what is made.

## file: different_due_to_umask
echo text > file

## folder: different_due_to_umask
mkdir folder

## script: different_due_to_umask
printf '#!/bin/sh\n' > script
chmod +x script

## copied: different_due_to_umask
cp /etc/os-release copied

## compiled: different_due_to_umask
printf 'int main(void) { return 0; }\n' > "$SRC/x.c"
gcc -o program "$SRC/x.c"

## python: different_due_to_umask
python3 -c 'open("written", "w").write("x")'

## tar: different_due_to_umask
(cd "$SRC" && echo text > a && mkdir d && touch -d @0 a d && tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - a d) > x.tar

## cpio: different_due_to_umask
(cd "$SRC" && echo text > a && touch -d @0 a && echo a | cpio --quiet --reproducible -o -H newc) > x.cpio

## squashfs: different_due_to_umask
mkdir "$SRC/t"
echo text > "$SRC/t/a"
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-root -all-time 0 -mkfs-time 0

## iso: different_due_to_umask
mkdir "$SRC/t"
echo text > "$SRC/t/a"
xorriso -as mkisofs -quiet -R --modification-date=2023111422132000 --set_all_file_dates 2023111422132000 -o x.iso "$SRC/t"

## deb: different_due_to_umask
mkdir -p "$SRC/p"
(umask 022; mkdir "$SRC/p/DEBIAN"; printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n' > "$SRC/p/DEBIAN/control")
echo text > "$SRC/p/a"
SOURCE_DATE_EPOCH=0 dpkg-deb --root-owner-group --build "$SRC/p" x.deb
