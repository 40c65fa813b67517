# The order in which a folder lists its entries reaches what is written.

## find: directory_order
(cd "$SRC" && touch one two three four five six seven && find . -type f) > files

## ls: directory_order
(cd "$SRC" && touch one two three four five six seven && ls -U) > files

## python-listdir: directory_order
(cd "$SRC" && touch one two three four five six seven)
python3 -c 'import os, sys; print(*os.listdir(sys.argv[1]), sep="\n")' "$SRC" > files

## python-json: directory_order hash_order
(cd "$SRC" && touch one two three four five six seven)
python3 -c 'import json, os, sys; json.dump({"files": os.listdir(sys.argv[1])}, sys.stdout)' "$SRC" > files.json

## perl-readdir: directory_order
(cd "$SRC" && touch one two three four five six seven)
perl -e 'opendir my $d, shift; print map { "$_\n" } grep { !/^\./ } readdir $d' "$SRC" > files

## checksums: directory_order
(cd "$SRC" && for n in one two three four five; do echo $n > $n; done; find . -type f -exec sha256sum {} +) > SHA256SUMS

## concatenated: directory_order
(cd "$SRC" && for n in one two three four five; do echo "section $n" > $n.conf; done; find . -name '*.conf' -exec cat {} +) > joined.conf

## source-list: directory_order hash_order
(cd "$SRC" && touch one.c two.c three.c four.c five.c; echo "SOURCES = $(find . -name '*.c' -printf '%f ')") > sources.mk

## tar: member_order
(cd "$SRC" && mkdir t && touch t/one t/two t/three t/four t/five && tar --mtime=@0 --owner=0 --group=0 -cf - t) > x.tar

## tar-gzip: member_order
(cd "$SRC" && mkdir t && touch t/one t/two t/three t/four t/five && tar --mtime=@0 --owner=0 --group=0 -cf - t | gzip -n) > x.tar.gz

## zip: member_order
(cd "$SRC" && touch -d @400000000 one two three four five six && zip -qX - -r .) > x.zip

## cpio: member_order
(cd "$SRC" && touch -d @0 one two three four five six && find . -type f | cpio --quiet --reproducible -o -H newc) > x.cpio

## ar: member_order
(cd "$SRC" && for n in one two three four five; do echo $n > $n; done; ls -U | xargs ar rcD "$OLDPWD/x.a")

## link-order: directory_order member_order
for n in one two three four five; do printf "int %s(int a) { return a * %d; }\n" $n ${#n} > "$SRC/$n.c"; done
(cd "$SRC" && gcc -c *.c && ls -U | grep 'o$' | xargs ar rcD "$OLDPWD/libx.a")

## uids: uid_gid_drift
mkdir -p "$SRC/root/etc" "$SRC/users"
printf 'root:x:0:0::/:/bin/sh\n' > "$SRC/root/etc/passwd"
printf 'root:x:0:\n' > "$SRC/root/etc/group"
touch "$SRC/users/_apt" "$SRC/users/messagebus" "$SRC/users/sshd" "$SRC/users/tor" "$SRC/users/avahi"
for user in $(ls -U "$SRC/users"); do useradd --prefix "$SRC/root" --system --no-create-home "$user" 2>> "$SRC/log"; done
id=$(awk -F: '$1 == "tor" { print $3 }' "$SRC/root/etc/passwd")
mkdir "$SRC/t"
echo state > "$SRC/t/state"
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-time 0 -mkfs-time 0 -force-uid "$id" -force-gid "$id"

## passwd: uid_gid_drift
mkdir -p "$SRC/root/etc" "$SRC/users"
printf 'root:x:0:0::/:/bin/sh\n' > "$SRC/root/etc/passwd"
printf 'root:x:0:\n' > "$SRC/root/etc/group"
touch "$SRC/users/_apt" "$SRC/users/messagebus" "$SRC/users/sshd" "$SRC/users/tor" "$SRC/users/avahi"
for user in $(ls -U "$SRC/users"); do useradd --prefix "$SRC/root" --system --no-create-home "$user" 2>> "$SRC/log"; done
sort "$SRC/root/etc/passwd" > passwd

## tar-uids: uid_gid_drift
mkdir -p "$SRC/root/etc" "$SRC/users"
printf 'root:x:0:0::/:/bin/sh\n' > "$SRC/root/etc/passwd"
printf 'root:x:0:\n' > "$SRC/root/etc/group"
touch "$SRC/users/_apt" "$SRC/users/messagebus" "$SRC/users/sshd" "$SRC/users/tor" "$SRC/users/avahi"
for user in $(ls -U "$SRC/users"); do useradd --prefix "$SRC/root" --system --no-create-home "$user" 2>> "$SRC/log"; done
id=$(awk -F: '$1 == "tor" { print $3 }' "$SRC/root/etc/passwd")
echo state > "$SRC/state"
tar -C "$SRC" --mtime=@0 --owner="tor:$id" --group="tor:$id" -cf x.tar state

## hard-links: hard_link_order
(cd "$SRC" && mkdir t && echo text > t/one && for n in two three four five; do ln t/one t/$n; done && find t -type f | tar --mtime=@0 --owner=0 --group=0 -cf - -T -) > x.tar

## hard-links-two: hard_link_order member_order
(cd "$SRC" && mkdir t && echo text > t/one && for n in two three four five six; do ln t/one t/$n; done && tar --mtime=@0 --owner=0 --group=0 -cf - t) > y.tar

## passwd-order: uid_gid_drift
mkdir -p "$SRC/root/etc" "$SRC/users"
printf 'root:x:0:0::/:/bin/sh\n' > "$SRC/root/etc/passwd"
printf 'root:x:0:\n' > "$SRC/root/etc/group"
touch "$SRC/users/_apt" "$SRC/users/messagebus" "$SRC/users/sshd" "$SRC/users/tor"
for user in $(ls -U "$SRC/users"); do useradd --prefix "$SRC/root" --system --no-create-home "$user" 2>> "$SRC/log"; done
cp "$SRC/root/etc/passwd" passwd
