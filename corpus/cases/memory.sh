# The machine's memory reaches what is written.

## meminfo: captures_memory
grep MemTotal /proc/meminfo > memory

## free: captures_memory
free -m | awk '/Mem:/ { print "memory", $2, "MB" }' > memory

## python: captures_memory
python3 -c 'import os; print("ram =", os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20)' > settings
grep MemTotal /proc/meminfo | awk '{ print "mem_kb=" $2 }' >> settings

## heap: captures_memory
awk '/MemTotal/ { printf "JAVA_OPTS=-Xmx%dm  # of memory: %d kB\n", $2 / 4096, $2 }' /proc/meminfo > options
