#!/usr/bin/env bash
# NFS and SMB as state volumes: a virtual machine that is its own server runs the pipeline's tests
# with their state on each kind of mount, and looks what a lock and dead servers do there.
#
#   tests/volumes_vm.sh            all kinds of mounts; prints the table of docs/volumes.md
#   tests/volumes_vm.sh KIND...    some of them: local nfs4 nfs3 nfs3-nolock smb smb-nobrl
#
# VM_TESTS names the tests: `pipeline::` runs all of them.
#
# Needs Debian or Ubuntu as root, 3 GB of disk, and mmdebstrap and qemu-system-x86:
#
#   apt-get install mmdebstrap qemu-system-x86
#
# The machine is made once, in .cache/vm. It is emulated, which works everywhere and takes some minutes
# a kind; VM_ACCEL=kvm is faster where there is one that works.
set -euo pipefail
cd "$(dirname "$0")/.."

vm=.cache/vm
kinds=${*:-local nfs4 nfs3 nfs3-nolock smb smb-nobrl}
names=${VM_TESTS:-pipeline::recovery:: pipeline::overlap::}
packages=linux-image-cloud-amd64,nfs-kernel-server,rpcbind,samba,cifs-utils,python3,kmod,iproute2,procps

for tool in mmdebstrap qemu-system-x86_64 mke2fs; do
    command -v "$tool" >/dev/null || { echo "SKIPPED: $tool is not installed" >&2; exit 1; }
done

if [ ! -f "$vm/system.tar" ]; then
    mkdir -p "$vm"
    mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$vm/system.new.tar"
    mv "$vm/system.new.tar" "$vm/system.tar"
fi

# The binaries run where they were built for.
cargo build --quiet --locked --bin dbt-entrypoint --example volume
tests=$(cargo test --locked --no-run --test it 2>&1 | sed -n 's/.*tests\/it\/main.rs (\(.*\))$/\1/p')
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
tar -C "$root" -xf "$vm/system.tar"
mkdir -p "$root$PWD/target/tmp"
tar -cf - "$tests" target/debug/dbt-entrypoint target/debug/examples/volume \
    tests/it/pipeline/*.py tests/volumes_vm_inside.sh | tar -C "$root$PWD" -xf -
printf 'cd %q\nTESTS=%q NAMES=%q KINDS=%q exec bash tests/volumes_vm_inside.sh\n' \
    "$PWD" "$tests" "$names" "$kinds" >"$root/inside"
cp "$root"/boot/vmlinuz-* "$vm/vmlinuz"
cp "$root"/boot/initrd.img-* "$vm/initrd"
rm -f "$vm/disk"
mke2fs -q -t ext4 -d "$root" "$vm/disk" 4G

qemu-system-x86_64 -accel "${VM_ACCEL:-tcg}" -cpu max -smp "$(nproc)" -m 2G -nographic -no-reboot -nic none \
    -kernel "$vm/vmlinuz" -initrd "$vm/initrd" \
    -append 'root=/dev/vda rw console=ttyS0 quiet panic=-1 init=/bin/bash -- /inside' \
    -drive "file=$vm/disk,format=raw,if=virtio,cache=unsafe" </dev/null | tee "$vm/log"
grep -q '^ALL WELL' "$vm/log"
