# The same surroundings twice: what differs is made at random.

## uuidgen: random_uuid
uuidgen > uuid

## python-uuid: random_uuid
python3 -c 'import uuid; print("urn:uuid:" + str(uuid.uuid4()))' > book.opf

## proc-uuid: random_uuid
echo "UUID=$(cat /proc/sys/kernel/random/uuid) / ext4 defaults 0 1" > fstab

## dbus: random_identifier random_uuid
dbus-uuidgen > machine-id

## mke2fs: random_uuid
truncate -s 1M x.ext4
mke2fs -q -t ext4 -O ^has_journal,^metadata_csum x.ext4

## mkswap: random_uuid
truncate -s 1M x.swap
mkswap -q x.swap 2> "$SRC/log"

## sgdisk: random_uuid
truncate -s 2M x.img
sgdisk -a 1 -n 1:34:2000 x.img > "$SRC/log" 2>&1

## openssl-key: random_key
openssl genpkey -algorithm ed25519 -out key.pem

## openssl-rsa: random_key
openssl genrsa -out rsa.pem 1024 2> "$SRC/log"

## openssl-certificate: random_key
openssl req -x509 -newkey ed25519 -nodes -keyout "$SRC/key" -out certificate.pem -subj /CN=x -days 9 2> "$SRC/log"

## openssl-der: random_key timestamps_in_binary
openssl genpkey -algorithm ed25519 -outform DER -out key.der

## ssh-keygen: random_key
ssh-keygen -q -t ed25519 -N '' -C '' -f ssh_host_ed25519_key

## password: random_key random_identifier
printf 'root:%s:19000:0:99999:7:::\n' "$(mkpasswd -m sha-512 secret)" > shadow

## openssl-passwd: random_key random_identifier
openssl passwd -6 secret > hash

## hex: random_identifier
openssl rand -hex 16 > token

## base64: random_identifier
openssl rand -base64 24 > token

## shell: random_identifier
bash -c 'echo "port=$((SRANDOM % 30000 + 1024))"' > conf

## python-secret: random_identifier
python3 -c 'import secrets; print(f"SECRET_KEY = \"{secrets.token_urlsafe(32)}\"")' > settings.py

## python-random: random_identifier
python3 -c 'import random; print("seed:", random.random())' > seed

## perl-random: random_identifier
perl -e 'printf "nonce %08x\n", rand 2**32' > nonce

## awk-like: random_identifier
od -An -N8 -tx8 /dev/urandom > cookie

## shuffle: hash_order directory_order
seq -f 'item %g' 12 | shuf > items

## mktemp: temporary_name
mktemp -u > name

## mktemp-log: temporary_name
echo "compiled $(mktemp -u /tmp/build.XXXXXXXX)/x.c" > log

## gcc-temporary: temporary_name
printf 'int main(void) { return 0; }\n' > "$SRC/x.c"
gcc -v -o "$SRC/x" "$SRC/x.c" 2>&1 | grep -o '/tmp/[^ ]*\.s' | head -1 > log

## python-temporary: temporary_name
python3 -c 'import tempfile; print("cwd", tempfile.mkdtemp())' > log

## temporary-file: temporary_name
echo text > "$(mktemp -u cacheXXXXXXXX)"

## pid: process_id
echo "pid $$" > log

## pid-lock: process_id
sh -c 'echo "locked by process $$"' > lock

## python-pid: process_id
python3 -c 'import os; print(f"[{os.getpid()}] started, pid={os.getpid()}")' > log

## ogg: random_uuid random_identifier timestamps_in_binary
sox -q -n -b 16 "$SRC/x.wav" synth 0.1 sine 440
oggenc -Q -o x.ogg "$SRC/x.wav"

## build-id: build_id_differences_only
printf 'int main(void) { return 0; }\n' > "$SRC/x.c"
gcc -Wl,--build-id=uuid -o x "$SRC/x.c"

## tar-urandom: random_identifier
openssl rand -hex 20 > "$SRC/id"
tar -C "$SRC" --mtime=@0 --owner=0 --group=0 -cf x.tar id

## temporary-folder: temporary_name
mkdir "$(mktemp -u confXXXXXX)"

## temporary-suffix: temporary_name
echo text > "$(mktemp -u --suffix=.log installXXXXXXXX)"

## python-named: temporary_name
python3 -c 'import tempfile; open(tempfile.mktemp(dir="."), "w").write("x")'

## swap-label: random_uuid
truncate -s 2M x.ext2
mke2fs -q -t ext2 -L label x.ext2

## machine-uuid: random_uuid
echo "{\"serialNumber\": \"urn:uuid:$(uuidgen)\", \"version\": 1}" > bom.json

## nonces: random_identifier
for n in 1 2 3; do openssl rand -hex 4; done > nonces
