# The running kernel reaches what is written.

## release: captures_kernel_version
uname -r > release

## named: captures_kernel_version
echo "kernel: $(uname -r)" > built

## modules: captures_kernel_version
echo "depmod /lib/modules/$(uname -r)/modules.dep" > script

## python: captures_kernel_version
python3 -c 'import platform; print("platform", platform.release())' > built

## perl: captures_kernel_version
perl -MPOSIX=uname -e 'print "osvers=", (uname)[2], "\n"' > Config.pm

## header: captures_kernel_version
echo "#define BUILT_ON \"Linux $(uname -r)\"" > config.h

## c: captures_kernel_version
printf 'const char *on = "Linux " RELEASE;\n' > "$SRC/x.c"
gcc -c "-DRELEASE=\"$(uname -r)\"" -o x.o "$SRC/x.c"

## machine: captures_kernel_version captures_cpu
uname -m > machine

## log: captures_kernel_version
echo "host system: Linux version $(uname -r) on a builder" > log

## json: captures_kernel_version
printf '{"kernel": "%s"}\n' "$(uname -r)" > facts.json
