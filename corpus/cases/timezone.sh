# The zone reaches what is written; the moment is the same on both sides.

## date: timezone
date > built

## date-mail: timezone
date -R > built

## date-iso: timezone
date -Iseconds -d @1700000000 > built

## date-without-zone: timezone
date -d @1700000000 '+made %Y-%m-%d %H:%M:%S' > built

## ls: timezone
touch -d @1700000000 "$SRC/a"
(cd "$SRC" && TZ="$TZ" ls --full-time) > listing

## python: timezone
python3 -c 'import time; print(time.strftime("%d %b %Y %H:%M %Z", time.localtime(1700000000)))' > built

## python-iso: timezone
python3 -c 'import datetime; print(datetime.datetime.fromtimestamp(1700000000).astimezone().isoformat())' > built

## perl: timezone
perl -e 'print "# ", scalar localtime 1700000000, "\n"' > built.pl

## name: timezone
date +%Z > zone

## offset: timezone
date +%z > zone

## variable: timezone captures_environment
env | grep '^TZ=' > variables

## gettext: timezone
echo 'print(_("hello"))' > "$SRC/hello.py"
touch -d @1700000000 "$SRC/hello.py"
xgettext --output=hello.pot "$SRC/hello.py"

## zip: timezone
echo text > "$SRC/a.txt"
touch -d @1700000000 "$SRC/a.txt"
(cd "$SRC" && zip -qX - a.txt) > x.zip

## zip-many: timezone
for name in a b c; do
  echo $name > "$SRC/$name"
  touch -d @1700000000 "$SRC/$name"
done
(cd "$SRC" && zip -qX - a b c) > x.jar

## fat: timezone
echo text > "$SRC/a"
touch -d @1700000000 "$SRC/a"
truncate -s 1M x.img
mkfs.vfat -i 12345678 --invariant x.img > "$SRC/log"
mcopy -m -i x.img "$SRC/a" ::a

## pdf: timezone
printf '%%%%CreationDate: (D:%s)\n' "$(date -d @1700000000 +%Y%m%d%H%M%S%z)" > x.ps

## iso: timezone
mkdir "$SRC/t"
echo text > "$SRC/t/a"
touch -d @1700000000 "$SRC/t/a" "$SRC/t"
genisoimage -quiet -R -o x.iso "$SRC/t"
