"""What a hostile hook tries. Each attack is the body of a Python function that runs inside, as a program of the
toolchain and chrooted into a tree, with `fact` (see `Facts` in test_hostile) and the helpers in PRELUDE at hand.

It returns what it got hold of (something true) where it got through; nothing, or an OSError, where it did not.
"""

from __future__ import annotations

PRELUDE = r"""
import ctypes, json, os, signal, socket, struct, sys, time
fact = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)

def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result

def call(number, *args):
    "A system call by its number on x86-64."
    return check(libc.syscall(number, *args))

def mount(source, target, kind=None, flags=0, data=None):
    check(libc.mount(source, target, kind, flags, data))
    return f"mounted {target}"

def read(path, size=1 << 16):
    with open(path, "rb") as file:
        return file.read(size)

def write(path, data=b"0"):
    "True only if the bytes were taken."
    fd = os.open(path, os.O_WRONLY)
    try:
        return os.write(fd, data) and f"wrote {path}"
    finally:
        os.close(fd)

def attack():
BODY

try:
    got = attack()
except (OSError, ctypes.ArgumentError) as error:
    print("denied:", error)
else:
    print(f"GOT THROUGH: {got!r}" if got else "denied: nothing there")
"""

FILES = {
    "a secret that all may read": "return read(fact['secret'])",
    "the shadow file": "return any(fact['root_entry'] in line for line in open('/etc/shadow'))",
    "the home folder": "return set(os.listdir(fact['home'])) & set(fact['home_names'])",
    "through init's root": "return read('/proc/1/root' + fact['secret'])",
    "through init's working folder": "return read('/proc/1/cwd' + fact['secret'])",
    "through any process": "return [read(f'/proc/{p}/root' + fact['secret'])"
    " for p in os.listdir('/proc') if p.isdigit() and os.access(f'/proc/{p}/root' + fact['secret'], os.R_OK)]",
    "through more dots than folders": "return read('../' * 40 + fact['secret'][1:])",
    "through descriptors of the caller": "return [n for n in range(3, 5000) if os.path.exists(f'/proc/self/fd/{n}')]",
    "the old root": "return [p for p in ('/old', '/.old', '/oldroot', '/put_old') if os.path.exists(p)]",
    "a marker outside": "open(fact['marker'], 'w').write('x'); return os.path.exists(fact['secret'])",
    "a marker through init": "return open('/proc/1/root' + fact['marker'], 'w')",
    "out of a chroot": """
os.makedirs('/tmp/jail', exist_ok=True)
outside = os.open('/', os.O_RDONLY)
os.chroot('/tmp/jail')
os.fchdir(outside)
for _ in range(64):
    os.chdir('..')
os.chroot('.')
open('/tmp/escaped', 'w').close()
open(fact['marker'], 'w').close() if os.path.isdir(os.path.dirname(fact['marker'])) else None
return read(fact['secret'])
""",
    "by file handle": """
handle = ctypes.create_string_buffer(struct.pack('Ii', 128, 0) + bytes(128))
call(303, -100, b'/dev/null', handle, ctypes.byref(ctypes.c_int()), 0)
return call(304, os.open('/dev/null', os.O_RDONLY), handle, 0)
""",
}

PROCESSES = {
    "a process of the host by name": """
found = []
for p in os.listdir('/proc'):
    try:
        if p.isdigit() and int(p) != os.getpid() and fact['mark'].encode() in read(f'/proc/{p}/cmdline'):
            found.append(p)
    except (FileNotFoundError, ProcessLookupError):
        pass  # it ended meanwhile
return found
""",
    "signal a process of the host": """
os.kill(fact['pid'], 0)
return fact['mark'].encode() in read(f"/proc/{fact['pid']}/cmdline")
""",
    "trace init": "return f'traced {call(101, 16, 1, 0, 0)}'",
    "seize init": "return f'traced {call(101, 0x4206, 1, 0, 0)}'",
    "read init's memory": "return read('/proc/1/mem', 1)",
    "read init's memory by call": """
buffer = ctypes.create_string_buffer(8)
vector = struct.pack('PN', ctypes.addressof(buffer), 8)
return call(310, 1, vector, 1, struct.pack('PN', 0x400000, 8), 1, 0)
""",
    "init's environment": "return read('/proc/1/environ')",
    "init's maps": "return read('/proc/1/maps')",
    "names of init's descriptors": "return [os.readlink(f'/proc/1/fd/{n}') for n in os.listdir('/proc/1/fd')]",
    "init's descriptors": "return [os.open(f'/proc/1/fd/{n}', os.O_RDWR) + 1 for n in os.listdir('/proc/1/fd')]",
    "take a descriptor of init": "return call(438, call(434, 1, 0), 3, 0) + 1",
    "enter init's namespaces": "return f\"entered {call(308, os.open('/proc/1/ns/mnt', os.O_RDONLY), 0)}\"",
    "stop init": """
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    os.kill(1, number)
time.sleep(0.05)
return [line for line in open('/proc/1/status') if line.startswith('State:') and line.split()[1] in 'TZX']
""",
    "shared memory of the host": "return check(libc.shmget(fact['shm'], 0, 0)) + 1",
    "more processes than allowed": "check(libc.setrlimit(6, bytes([255]) * 16)); return 'raised'",
    "spare it when memory runs out": "return write('/proc/self/oom_score_adj', b'-1000')",
}

KERNEL = {
    "mount tmpfs": "return mount(b'none', b'/mnt', b'tmpfs')",
    "mount proc": "return mount(b'none', b'/mnt', b'proc')",
    "mount sysfs": "return mount(b'none', b'/mnt', b'sysfs')",
    "mount devtmpfs": "return mount(b'none', b'/mnt', b'devtmpfs')",
    "mount cgroup2": "return mount(b'none', b'/mnt', b'cgroup2')",
    "mount the disk": "return mount(fact['disk'].encode(), b'/mnt', b'ext4')",
    "bind": "return mount(b'/', b'/mnt', None, 4096 | 16384)",
    "remount": "return mount(b'none', b'/', None, 32)",
    "uncover what is hidden": "check(libc.umount2(b'/proc/keys', 2)); return 'uncovered'",
    "mount by the new calls": "return call(430, b'tmpfs', 0) + 1",
    "clone the mounts": "return call(428, -100, b'/', 1 | 0x8000) + 1",
    "another root": "call(155, b'/tmp', b'/tmp'); return 'changed'",
    **{
        f"unshare {name}": f"check(libc.unshare({flag})); return 'unshared'"
        for name, flag in {
            "user": 0x10000000,
            "mounts": 0x20000,
            "processes": 0x20000000,
            "network": 0x40000000,
            "hostname": 0x4000000,
            "ipc": 0x8000000,
            "cgroup": 0x2000000,
            "time": 0x80,
        }.items()
    },
    "clone into a user namespace": """
pid = call(56, 0x10000000 | 17, 0, 0, 0, 0)
if pid == 0:
    os._exit(0)
return pid
""",
    "allow user namespaces again": "return write('/proc/sys/user/max_user_namespaces', b'100')",
    "core pattern": "return write('/proc/sys/kernel/core_pattern', b'|/tmp/evil')",
    "panic": "return write('/proc/sys/kernel/panic', b'1')",
    "caches": "return write('/proc/sys/vm/drop_caches', b'1')",
    "module loader": "return write('/proc/sys/kernel/modprobe', b'/tmp/evil')",
    "system request": "return os.path.exists('/proc/sysrq-trigger') and write('/proc/sysrq-trigger', b'h')"
    " and read('/proc/sysrq-trigger')",
    "kernel memory": "return read('/proc/kcore', 4)",
    "kernel symbols": "return read('/proc/kallsyms', 4)",
    "kernel log": "return read('/proc/kmsg', 1)",
    "kernel log by call": "return call(103, 10, 0, 0)",
    "kernel command line": "return read('/proc/cmdline')",
    "partitions": "return read('/proc/partitions')",
    "key list": "return read('/proc/keys')",
    "keys of the caller's session": "return call(250, 10, -3, b'user', b'repro-test-secret', 0)",
    "a session's keyring": "return call(250, 0, -3, 0, 0, 0)",
    "add a key": "return call(248, b'user', b'x', b'y', 1, -3)",
    "bpf": "return call(321, 0, struct.pack('IIII', 2, 4, 4, 1) + bytes(100), 116) + 1",
    "perf": "return call(298, struct.pack('IIQ', 1, 112, 0) + bytes(96), 0, -1, -1, 0) + 1",
    "io_uring": "return call(425, 1, ctypes.create_string_buffer(120)) + 1",
    "userfaultfd": "return call(323, 0) + 1",
    "load a module": "call(175, b'x', 1, b''); return 'loaded'",
    "reboot": "call(169, 0xfee1dead, 0x28121969, 0, 0); return 'may reboot'",
    "hostname": "check(libc.sethostname(b'evil', 4)); return 'renamed'",
    "hostname by file": "return write('/proc/sys/kernel/hostname', b'evil')",
    "time of day": "check(libc.settimeofday(struct.pack('qq', 0, 0), None)); return 'set'",
    "clock": "time.clock_settime(time.CLOCK_REALTIME, 0); return 'set'",
    "clock adjustment": "check(libc.adjtimex(struct.pack('I4xq', 1, 0) + bytes(256))); return 'adjusted'",
    "calls of 32 bits": r"""
import mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
pid = os.fork()
if not pid:
    number = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    os._exit(0 if number == os.getpid() else 1)
return os.waitpid(pid, 0)[1] == 0
""",
    "calls of the x32 table": "return call(0x40000000 + 39)",
}

DEVICES = {
    "make a disk": """
path = '/tmp/disk'
os.mknod(path, 0o60600, os.makedev(*fact['disk_number']))
return read(path, 1) or 'made'
""",
    "make memory": "os.mknod('/tmp/mem', 0o20600, os.makedev(1, 1)); return 'made'",
    "make even null": "os.mknod('/tmp/null', 0o20666, os.makedev(1, 3)); return read('/tmp/null', 1) or 'made'",
    "the disk in /dev": "return os.path.exists(fact['disk']) or [n for n in os.listdir('/dev')"
    " if n not in ('fd', 'full', 'null', 'random', 'stderr', 'stdin', 'stdout', 'urandom', 'zero')]",
    "the terminal": "return os.open('/dev/tty', os.O_RDWR) + 1",
    "close null for all": "os.chmod('/dev/null', 0o600); return 'changed'",
    "own null": "os.chown('/dev/null', 0, 0); return 'changed'",
    "sysfs": "return os.listdir('/sys')",
}

NETWORK = {
    "connect": "socket.create_connection(('127.0.0.1', fact['tcp']), 2); return 'connected'",
    "connect by IPv6": "socket.create_connection(('::1', fact['tcp']), 2); return 'connected'",
    "send a datagram": "return socket.socket(type=socket.SOCK_DGRAM).sendto(b'evil', ('127.0.0.1', fact['udp']))",
    "an abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0' + fact['abstract']); return 'connected'",
    "a socket file": "socket.socket(socket.AF_UNIX).connect(fact['socket']); return 'connected'",
    "a name": "return socket.getaddrinfo('example.org', 80)",
    "a name from a server": "return socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', (fact['dns'], 53))",
    "packets": "return socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "raw internet": "return socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "the hypervisor": "return socket.socket(40, socket.SOCK_STREAM)",
    "the kernel's ciphers": "return socket.socket(38, socket.SOCK_SEQPACKET)",
    "another interface": "return [name for _, name in socket.if_nameindex() if name != 'lo'"
    " and not name.endswith('0')]",
    "raise the loop": """
import fcntl
plain = socket.socket(type=socket.SOCK_DGRAM)
fcntl.ioctl(plain, 0x8914, struct.pack('16sH22x', b'lo', 1))
return 'raised'
""",
}

ATTACKS = {
    f"{kind}: {name}": body
    for kind, attacks in {
        "files": FILES,
        "processes": PROCESSES,
        "kernel": KERNEL,
        "devices": DEVICES,
        "network": NETWORK,
    }.items()
    for name, body in attacks.items()
}


def program(body: str) -> str:
    """The whole attack as a Python program."""
    return PRELUDE.replace("BODY", "\n".join(f"    {line}" for line in body.strip().splitlines()))
