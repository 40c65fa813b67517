# The number of processors reaches what is written.

## nproc: captures_cpu
echo "processors: $(nproc)" > built

## python: captures_cpu
python3 -c 'import os; print("cpus =", len(os.sched_getaffinity(0)))' > settings.py

## cores: captures_cpu
echo "built with $(nproc) cores" > log

## threads: captures_cpu captures_parallelism
echo "threads=$(nproc)" > pool.conf

## jobs: captures_cpu captures_parallelism
echo "make -j$(nproc) all" > build-command

## xz: compressor
seq 4000000 | xz -0 -T0 --block-size=1MiB > "$SRC/all.xz" 
seq 4000 | xz -0 --block-size=$(($(nproc) * 4096)) > x.xz
