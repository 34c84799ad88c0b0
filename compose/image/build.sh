# Runs in mmdebstrap's customize hook, on the host, as (mapped) root; $1 is the root filesystem.
# In:  $1/build/in   the list of modules, the Python libraries, what gathers their code
# Out: $1/build/out  what the host takes away
# Nothing of the host's file system but $1 may be readable here: with --mode=unshare this is another user.
set -eu
root=$1
in=$root/build/in
out=$root/build/out
kernel=$root/build/kernel
trimmed=$root/build/trimmed
mkdir -p "$out" "$kernel" "$trimmed"

phase() { echo "vpnlab-phase: $1"; }
names() { awk -v kinds="$1" '$1 ~ "^(" kinds ")$" { print $2 }' "$in/modules.txt"; }

phase "kernel: download"
wanted=$(APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-cache depends linux-image-cloud-amd64 |
    awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
(cd "$kernel" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -q download "$wanted")

phase "kernel: unpack and trim"
dpkg-deb -x "$kernel"/linux-image-*.deb "$kernel"
version=$(basename "$kernel"/boot/vmlinuz-*)
version=${version#vmlinuz-}
# Uncompressed: QEMU starts an ELF kernel by its PVH note, and a guest without KVM need not unpack it. Where the packed
# one lies is said by vmlinuz (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length); its last
# four bytes are the size.
vmlinuz=$kernel/boot/vmlinuz-$version
field() { od -A n -t "u$2" -j "$1" -N "$2" "$vmlinuz" | tr -d ' '; }
start=$((($(field 0x1f1 1) + 1) * 512 + $(field 0x248 4)))
tail -c "+$((start + 1))" "$vmlinuz" | head -c "$(($(field 0x24c 4) - 4))" | zstd -q -d >"$out/vmlinux"
cp "$kernel/boot/config-$version" "$out/config"
[ -d "$kernel/usr/lib/modules" ] || { mkdir -p "$kernel/usr/lib"; mv "$kernel/lib/modules" "$kernel/usr/lib/modules"; }
ln -sfn usr/lib "$kernel/lib" 2>/dev/null || true
depmod() { chroot "$root" /usr/sbin/depmod "$@"; }
depmod -b /build/kernel "$version"
needs() { # KINDS: the files that modprobe would load, each after what it needs
    # modprobe only warns of a name that it does not know, and the guest would lack it
    chroot "$root" /usr/sbin/modprobe -d /build/kernel -S "$version" --show-depends -a $(names "$1") \
        >"$kernel/needs" 2>"$kernel/warnings"
    [ ! -s "$kernel/warnings" ] || { cat "$kernel/warnings" >&2; return 1; }
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }' "$kernel/needs"
}
needs "boot|load|have" >"$kernel/kept"
while read -r file; do
    relative=${file#/build/kernel/}
    relative=${relative#usr/}
    mkdir -p "$trimmed/usr/$(dirname "$relative")"
    cp "$root$file" "$trimmed/usr/$(dirname "$relative")/"
done <"$kernel/kept"
find "$trimmed" -name '*.xz' -exec xz -d -T0 {} + # decompressing in a guest without KVM costs more than reading
# The kernel checks types (BTF) and signatures of what it loads, half of the work without KVM. objcopy drops the latter.
find "$trimmed" -name '*.ko' -exec objcopy --remove-section=.BTF --remove-section=.BTF.base {} ';'
cp "$kernel/usr/lib/modules/$version"/modules.builtin* "$kernel/usr/lib/modules/$version/modules.order" \
    "$trimmed/usr/lib/modules/$version/"
ln -s usr/lib "$trimmed/lib"
depmod -b /build/trimmed "$version"
mkdir -p "$root/usr/lib/modules" "$out/boot"
cp -a "$trimmed/usr/lib/modules/$version" "$root/usr/lib/modules/"
needs boot >"$kernel/boot-order"
sed 's/\.xz$//' "$kernel/boot-order" | while read -r file; do
    relative=${file#/build/kernel/}
    cp "$trimmed/$relative" "$out/boot/"
    basename "$file" >>"$out/boot/order"
done
names load >"$root/etc/vpnlab-modules"
echo "$version" >"$out/kernel-version"
cp "$root/usr/bin/busybox" "$out/busybox"

phase "python: byte-compile"
libraries=usr/lib/python3/dist-packages
mkdir -p "$root/$libraries"
tar -C "$root/$libraries" -xf "$in/libraries.tar"
chroot "$root" python3 -m compileall -q -j0 "/$libraries" ||
    echo "some files are not for this Python; they stay as source"

phase "python: gather"
chroot "$root" python3 -I -W ignore /build/in/gathered.py write /usr/lib/python3/gathered

phase "python: compiler for the project's layer"
compiler=$out/compiler
python=$(readlink "$root/usr/bin/python3")
mkdir -p "$compiler/lib/$python"
cp "$root/usr/bin/$python" "$compiler/python"
cp -a "$root/usr/lib/$python/encodings" "$compiler/lib/$python/"
chroot "$root" ldd "/usr/bin/$python" | awk '$2 == "=>" { print $3 } $1 ~ /^\/lib64/ { print $1 }' |
    while read -r library; do cp -L "$root$library" "$compiler/"; done

phase "root: tidy up"
dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Package} ${Version}\n' >"$out/packages"
dpkg-deb -f "$kernel"/linux-image-*.deb Package Version | awk '{ printf "%s ", $2 } END { print "" }' >>"$out/packages"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/* "$root"/var/log/*
: >"$root/etc/machine-id"
rm -f "$root/etc/resolv.conf"
echo vpnlab >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 vpnlab\n' >"$root/etc/hosts"

phase "root: pack"
mkfs.erofs -d1 -x-1 --exclude-regex='^(proc|sys|dev|run|tmp|build)/.*' --exclude-regex='^build$' "$out/root.erofs" "$root" >/dev/null
