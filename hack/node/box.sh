#!/bin/sh
# The first thing that runs in the box: `box.sh FOLDER COMMAND…`, in a mount namespace that is private already. It gives
# the box its own /run, /var/lib and /var/log, in FOLDER but for the first, and then becomes the command.
set -eu
folder=$1
shift
mount -t tmpfs -o mode=0755 tmpfs /run
for path in /var/lib /var/log; do
    mkdir -p "$folder$path"
    mount --bind "$folder$path" "$path"
done

# The kernel settings that kubelet would set for the whole machine: it reads here that they are set already.
while read -r path value; do
    [ -e "/proc/sys/$path" ] || continue
    file=$folder/settings/$path
    mkdir -p "${file%/*}"
    echo "$value" > "$file"
    mount --bind "$file" "/proc/sys/$path"
done <<END
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END
exec "$@"
