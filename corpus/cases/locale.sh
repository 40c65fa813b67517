# The locale reaches what is written: the order of a sort, words, numbers.

## sort: locale_order
printf 'b\nA\na\nB\n_c\nC-1\n' | sort > sorted

## sort-words: locale_order
printf 'Zebra\napple\nMango\nbanana\nCherry\n' | sort > sorted

## sort-dots: locale_order
printf '%s\n' lib/x.so lib-x/a lib.y lib_x lib/Y libz | sort > manifest

## glob: locale_order
(cd "$SRC" && touch Makefile README a.c B.c b.h && bash -c 'printf "%s\n" *') > files

## ls: locale_order
(cd "$SRC" && touch Zoo apple Bar foo && ls) > files

## perl-sort: locale_order
perl -e 'use locale; use POSIX; setlocale(LC_ALL, ""); print map { "$_\n" } sort qw(b A a B C c);' > sorted

## checksums: locale_order
(cd "$SRC" && for n in One two Three four; do echo $n > $n; done; md5sum $(ls)) > MD5SUMS

## archive: member_order locale_order
(cd "$SRC" && touch B a C d && ar rcD "$OLDPWD/x.a" $(ls))

## tar: member_order locale_order
(cd "$SRC" && touch -d @0 B a C d && tar --owner=0 --group=0 -cf "$OLDPWD/x.tar" $(ls))

## date-words: locale_text timestamps_in_text
date -d @1700000000 '+%A %B' > built

## date-locale: locale_text timestamps_in_text
date -d @1700000000 > built

## number: locale_text
printf '%.2f\n' 3 > number || true
awk 'BEGIN { printf "%s\n", ENVIRON["LANG"] }' > locale

## variable: locale_text captures_environment
env | grep '^L[AC]' | sort > variables

## program: locale_text
locale > settings

## charset: locale_text
LC_ALL=$LC_ALL locale charmap > charmap
locale -k LC_TIME | head -3 >> charmap

## error: locale_text
ls /nonexistent/file > said 2>&1 || true
python3 -c 'import locale; print(locale.setlocale(locale.LC_ALL, ""))' >> said

## thousands: locale_text
python3 -c 'import locale; locale.setlocale(locale.LC_ALL, ""); print(locale.format_string("%.3f", 1234567.891, grouping=True))' > number

## day: locale_text timestamps_in_text
perl -MPOSIX=strftime,setlocale,LC_ALL -e 'setlocale(LC_ALL, ""); print strftime("built on a %A\n", gmtime 1700000000)' > page
