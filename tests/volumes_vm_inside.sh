#!/usr/bin/env bash
# The part of volumes_vm.sh that runs in the virtual machine, as its first process.
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
volume=$PWD/target/debug/examples/volume
failures=0

prepare() {
    mount -t proc proc /proc
    mountpoint -q /sys || mount -t sysfs sys /sys
    mountpoint -q /dev || mount -t devtmpfs dev /dev
    mkdir -p /dev/shm /dev/pts /mnt/a /mnt/b /srv/state
    mount -t tmpfs shm /dev/shm
    mount -t tmpfs run /run
    ip link set lo up
    mkdir -p /run/rpcbind /run/sendsigs.omit.d /var/lib/nfs/rpc_pipefs
    mount -t tmpfs state /tmp
    printf '/srv/state *(rw,no_root_squash,no_subtree_check,insecure,fsid=1)\n' >/etc/exports
    printf '%s\n' '[global]' 'map to guest = Bad User' 'guest account = root' \
        'server min protocol = SMB3' '[state]' 'path = /srv/state' 'read only = no' \
        'guest ok = yes' 'force user = root' >/etc/samba/smb.conf
}

start_nfs() {
    modprobe -a nfsd nfs nfsv3 nfsv4
    mount -t nfsd nfsd /proc/fs/nfsd
    rpcbind -w
    rpc.statd
    exportfs -ra
    rpc.nfsd --grace-time 10 --lease-time 10 4
    rpc.mountd
}

start_smb() {
    modprobe cifs
    mkdir -p /run/samba /var/lib/samba/private /var/log/samba
    smbd -D
}

# on KIND POINT: one more mount of the state, which shares no locks and no cache with the others.
on() {
    case $1 in
    local) mount --bind /srv/state "$2" ;;
    nfs4) mount -t nfs4 -o vers=4.2,nosharecache localhost:/srv/state "$2" ;;
    nfs3) mount -t nfs -o vers=3,nosharecache localhost:/srv/state "$2" ;;
    nfs3-nolock) mount -t nfs -o vers=3,nolock,nosharecache localhost:/srv/state "$2" ;;
    smb) mount -t cifs -o guest,nosharesock,vers=3.1.1 //localhost/state "$2" ;;
    smb-nobrl) mount -t cifs -o guest,nosharesock,vers=3.1.1,nobrl //localhost/state "$2" ;;
    esac
}

# What the second of two runs gets, each through a mount of its own.
lock() {
    mkdir -p /mnt/a/lock
    mkfifo /tmp/hold
    "$volume" lock /mnt/a/lock 0 </tmp/hold >/tmp/held 2>&1 &
    exec 3>/tmp/hold
    until [ -s /tmp/held ]; do sleep 0.1; done
    "$volume" lock /mnt/b/lock 0 </dev/null >/tmp/second 2>&1
    local code=$?
    exec 3>&-
    wait
    rm -rf /tmp/hold /srv/state/lock
    case $code in
    0) printf 'both run' ;;
    75) printf 'the second waits' ;;
    *) printf 'code %s' "$code" ;;
    esac
}

# What another mount sees of a commit, at once.
commit() {
    mkdir -p /mnt/a/commit
    "$volume" commit /mnt/a/commit one && "$volume" commit /mnt/a/commit two &&
        "$volume" look /mnt/b/commit | grep -q 'Some("two")' && printf 'seen' || printf 'NOT seen'
    rm -rf /srv/state/commit
}

# check KIND: one row of the table.
check() {
    local kind=$1 told passed
    rm -rf /srv/state/*
    if ! { on "$kind" /mnt/a && on "$kind" /mnt/b; }; then
        echo "cannot mount $kind"
        failures=1
        return
    fi
    printf 'mounted: %s\n' "$(grep ' /mnt/a ' /proc/self/mountinfo)"
    # shellcheck disable=SC2086  # several names
    PIPELINE_STATE_ON=/mnt/a timeout 900 "$TESTS" --test-threads "$(nproc)" $NAMES >/tmp/tests 2>&1
    passed=$(sed -n 's/^test result: [^ ]* \(.*\) passed; \(.*\) failed.*/\1 passed, \2 failed/p' /tmp/tests)
    sed -n '/^failures:$/,$p' /tmp/tests
    told="| $kind | $(lock) | $(commit) | ${passed:-none} |"
    echo "$told"
    rows+=("$told")
    umount /mnt/a /mnt/b
    case $passed in *' 0 failed') ;; *) failures=1 ;; esac
}

prepare
rows=()
case $KINDS in *nfs*) start_nfs ;; esac
case $KINDS in *smb*) start_smb ;; esac
for kind in $KINDS; do
    check "$kind"
done
printf '\n| mount | two runs | a commit through one mount, seen through another | tests of the pipeline |\n|---|---|---|---|\n'
printf '%s\n' "${rows[@]}"
[ "$failures" = 0 ] && echo 'ALL WELL'
sync
echo o >/proc/sysrq-trigger
sleep 60
