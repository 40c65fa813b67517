# The name of the host reaches what is written.

## hostname: captures_hostname
hostname > hostname

## uname: captures_hostname
uname -n > build-host

## uname-all: captures_hostname
uname -a > uname

## user-at-host: captures_hostname
echo "built by root@$(hostname)" > version

## c: captures_hostname
printf '#include <stdio.h>\nint main(void) { puts("compiled on " HOST); }\n' > "$SRC/x.c"
gcc "-DHOST=\"$(hostname)\"" -o x "$SRC/x.c"

## configure: captures_hostname
printf 'AC_INIT([x],[1])\nAC_OUTPUT\n' > "$SRC/configure.ac"
(cd "$SRC" && autoconf && ./configure > /dev/null && grep -i hostname config.log) > config.log

## python: captures_hostname
python3 -c 'import platform; print("node =", repr(platform.node()))' > build.py

## perl: captures_hostname
perl -MSys::Hostname -e 'print "# on host ", hostname, "\n"' > built.pl

## fully-qualified: captures_hostname
echo "mail@$(hostname -f 2>/dev/null || hostname)" > mailname

## manifest: captures_hostname
printf 'Manifest-Version: 1.0\nBuilt-On: %s\nCreated-By: x\n' "$(hostname)" > MANIFEST.MF

## json: captures_hostname
printf '{"builder": {"host": "%s", "ok": true}}\n' "$(hostname)" > build.json

## ssh-key: random_key captures_hostname
ssh-keygen -q -t ed25519 -N '' -f key

## motd: captures_hostname
echo "Welcome to $(hostname), have fun" > motd

## prompt: captures_hostname
printf 'PS1="root@%s:\\w# "\n' "$(hostname)" > bashrc

## log: captures_hostname
echo "Nov 14 22:13:20 $(hostname) dpkg[12]: done" > syslog

## hosts: captures_hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$(hostname)" > hosts
