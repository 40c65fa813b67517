# The home directory reaches what is written.

## shell: captures_home_dir
echo "$HOME/.config/thing" > config

## python: captures_home_dir
python3 -c 'import os; print("cache =", os.path.expanduser("~/.cache/x"))' > settings.py

## perl: captures_home_dir
perl -e 'print "history $ENV{HOME}/.history\n"' > settings

## variable: captures_home_dir captures_environment
env | grep '^HOME=' > variables

## link: captures_home_dir
ln -s "$HOME/.profile" profile

## c: captures_home_dir
printf 'const char *rc = HOME "/.thingrc";\n' > "$SRC/x.c"
gcc -c "-DHOME=\"$HOME\"" -o x.o "$SRC/x.c"
