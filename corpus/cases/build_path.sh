# The folder of the build reaches what is written.

## debug: captures_build_path build_id_differences_only
printf 'int main(void) { return 0; }\n' > "$SRC/x.c"
gcc -g -o x "$SRC/x.c"

## object: captures_build_path
printf 'int f(int a) { return a + 1; }\n' > "$SRC/x.c"
gcc -g -c -o x.o "$SRC/x.c"

## file-macro: captures_build_path
printf '#include <stdio.h>\nint main(void) { puts(__FILE__); }\n' > "$SRC/x.c"
gcc -o x "$SRC/x.c"

## assert: captures_build_path
printf '#include <assert.h>\nint main(int n, char **v) { (void) v; assert(n > 1); }\n' > "$SRC/x.c"
gcc -c -o x.o "$SRC/x.c"

## stripped: build_id_differences_only
printf 'int main(void) { return 0; }\n' > "$SRC/x.c"
gcc -g -Wl,--build-id=sha1 -o x "$SRC/x.c"
strip x

## stripped-library: build_id_differences_only
printf 'int f(int a) { return a + 1; }\n' > "$SRC/x.c"
gcc -g -shared -fPIC -Wl,--build-id=sha1 -o libx.so.1 "$SRC/x.c"
strip --strip-unneeded libx.so.1

## rpath: captures_build_path
printf 'int main(void) { return 0; }\n' > "$SRC/x.c"
gcc -Wl,-rpath,"$SRC/lib" -o x "$SRC/x.c"

## bison: captures_build_path
printf '%%%%\nstart: ;\n%%%%\n' > "$SRC/x.y"
bison --output=x.c "$SRC/x.y" 2> "$SRC/log"

## flex: captures_build_path
printf '%%%%\nx ;\n' > "$SRC/x.l"
flex -o x.c "$SRC/x.l"

## pkg-config: captures_build_path
printf 'prefix=%s\nlibdir=${prefix}/lib\nName: x\nVersion: 1\nLibs: -L${libdir} -lx\n' "$SRC" > x.pc

## libtool: captures_build_path
printf "libdir='%s/lib'\ninstalled=yes\n" "$PWD" > libx.la

## dependency-file: captures_build_path
printf 'int main(void) { return 0; }\n' > "$SRC/x.c"
gcc -MD -MF x.d -c -o "$SRC/x.o" "$SRC/x.c"

## python-pyc: captures_build_path
echo 'x = 1' > "$SRC/x.py"
touch -d @0 "$SRC/x.py"
python3 -c 'import py_compile, sys; py_compile.compile(sys.argv[1], "x.pyc")' "$SRC/x.py"

## shebang: captures_build_path
printf '#!%s/bin/python3\nprint(1)\n' "$SRC" > script

## gettext: captures_build_path
echo 'print(_("hello"))' > "$SRC/hello.py"
touch -d @0 "$SRC/hello.py"
xgettext --output=- "$SRC/hello.py" | grep -v POT-Creation > hello.pot

## link: captures_build_path
ln -s "$SRC/target" link

## cmake-cache: captures_build_path
printf '# This is the CMakeCache file.\nCMAKE_HOME_DIRECTORY:INTERNAL=%s\n' "$SRC" > CMakeCache.txt

## pwd-json: captures_build_path
printf '[{"directory": "%s", "file": "x.c"}]\n' "$SRC" > compile_commands.json

## archive: captures_build_path
printf 'int f(int a) { return a + 1; }\n' > "$SRC/x.c"
gcc -g -c -o "$SRC/x.o" "$SRC/x.c"
ar rcD libx.a "$SRC/x.o"

## flags: captures_build_path
echo "CFLAGS='-g -O2 -I$SRC/include'" > x-config

## include-list: captures_build_path
python3 -c 'import sys; print("search path:", [sys.argv[1]])' "$PWD" > log

## library-debug: captures_build_path build_id_differences_only
printf 'int f(int a) { return a + 1; }\n' > "$SRC/x.c"
gcc -g -shared -fPIC -o libx.so "$SRC/x.c"

## log: captures_build_path
echo "make[1]: Entering directory '$PWD'" > build.log

## perl-file: captures_build_path
perl -e 'print "# generated from $ARGV[0] line 3\n"' "$SRC/x.in" > x.pl

## uri: captures_build_path
echo "<a href=\"file://$SRC/index.html\">x</a>" > index.html
