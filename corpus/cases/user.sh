# Who calls the build reaches what is written.

## name: captures_user
echo "Built-By: $USER" > MANIFEST.MF

## logname: captures_user
echo "packager = $LOGNAME" > package.conf

## python: captures_user
python3 -c 'import getpass; print("user", getpass.getuser())' > built

## at: captures_user
echo "# compiled by $USER@buildd" > header.h

## number: captures_user captures_environment
echo "SUDO_UID=$SUDO_UID" > caller

## comment: captures_user
printf '<!-- author: %s -->\n<p/>\n' "$USER" > page.html

## owner: captures_owner
echo text > file
chown "$SUDO_UID:$SUDO_GID" file

## owner-folder: captures_owner
mkdir folder
chown "$SUDO_UID" folder

## tar: captures_owner
(cd "$SRC" && echo text > a && touch -d @0 a && tar --owner="$USER:$SUDO_UID" --group="$USER:$SUDO_GID" -cf - a) > x.tar

## cpio: captures_owner
(cd "$SRC" && echo text > a && touch -d @0 a && echo a | cpio --quiet --reproducible -o -H newc --owner="+$SUDO_UID:+$SUDO_GID") > x.cpio

## squashfs: captures_owner
mkdir "$SRC/t"
echo text > "$SRC/t/a"
mksquashfs "$SRC/t" x.squashfs -quiet -no-progress -all-time 0 -mkfs-time 0 -force-uid "$SUDO_UID" -force-gid "$SUDO_GID"

## ar: captures_owner
(cd "$SRC" && echo text > a && touch -d @0 a && chown "$SUDO_UID:$SUDO_GID" a)
ar rcU x.a "$SRC/a"
