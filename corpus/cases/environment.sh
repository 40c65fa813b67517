# Variables of the builder reach what is written.

## all: captures_environment
env | grep -v '^\(PWD\|OLDPWD\|SRC\|_\)=' | sort > environment

## set: captures_environment
export -p | grep -v 'PWD\|SRC' > environment.sh

## python: captures_environment
python3 -c 'import os; print(*(f"{k}={v}" for k, v in sorted(os.environ.items()) if k not in ("PWD", "OLDPWD", "SRC", "_")), sep="\n")' > environ

## log: captures_environment
{ echo "configured with"; env | grep -v '^\(PWD\|OLDPWD\|SRC\|_\)=' | sort; echo "end"; } > config.log

## editor: captures_environment
env | grep '^EDITOR=' > defaults || echo 'EDITOR=vi' > defaults

## path: captures_environment captures_build_path
echo "PATH=$PATH" > profile

## perl: captures_environment
perl -e 'print map { "$_=$ENV{$_}\n" } grep { !/PWD|SRC|^_$/ } sort keys %ENV' > env.txt
