#!/usr/bin/env bash
# The Debian package: it builds, holds what it should, installs into an empty root, and its program takes its configuration.
#
#     RELEASE=target/release tests/package.sh

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"

package=$(scripts/package.sh | tail -n 1)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# Paths and modes, as dpkg sees them, but for the many manual pages.
expected=$(sort <<'LIST'
-rw-r--r-- ./etc/curvnet/curvnet.toml
-rwxr-xr-x ./usr/bin/curvnet
-rwxr-xr-x ./usr/bin/curvnet-bench
-rw-r--r-- ./usr/lib/sysctl.d/curvnet-hugepages.conf
-rw-r--r-- ./usr/lib/systemd/system/curvnet.service
-rw-r--r-- ./usr/share/bash-completion/completions/curvnet
-rw-r--r-- ./usr/share/curvnet/LICENSE
-rw-r--r-- ./usr/share/curvnet/config/demo-blue.pcap
-rw-r--r-- ./usr/share/curvnet/config/demo-red.pcap
-rw-r--r-- ./usr/share/curvnet/config/demo.toml
-rw-r--r-- ./usr/share/curvnet/config/router.toml
-rw-r--r-- ./usr/share/curvnet/config/service.toml
-rw-r--r-- ./usr/share/curvnet/config/tap-lab.toml
-rw-r--r-- ./usr/share/curvnet/config/vlan-tenants.toml
-rw-r--r-- ./usr/share/doc/curvnet/copyright
-rw-r--r-- ./usr/share/fish/vendor_completions.d/curvnet.fish
-rw-r--r-- ./usr/share/man/man8/curvnet.8.gz
-rw-r--r-- ./usr/share/zsh/vendor-completions/_curvnet
LIST
)
found=$(dpkg-deb -c "$package" | awk '$1 !~ /^d/ && $6 !~ /curvnet-[a-z-]*\.8\.gz$/ { print $1, $6 }' | sort)
diff <(echo "$expected") <(echo "$found") || die "the package holds something else (> is what was found)"

dpkg-deb -f "$package" Depends | grep -q 'librte-ethdev' || die "the package does not depend on DPDK"
dpkg-deb -I "$package" conffiles | grep -qx '/etc/curvnet/curvnet.toml' || die "the configuration would be overwritten"
dpkg-deb --ctrl-tarfile "$package" | tar -xO ./postinst ./prerm | sh -n

mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info"
touch "$root/var/lib/dpkg/status"
dpkg --root="$root" --force-depends --unpack "$package" >/dev/null
[[ $(dpkg --root="$root" -s curvnet | sed -n 's/^Status: //p') == "install ok unpacked" ]]
# dpkg keeps the new configuration beside its place until the package is configured.
differs=$(dpkg --root="$root" --verify curvnet | grep -v ' /etc/' || true)
[[ -z $differs ]] || die "what was installed is not what the package holds: $differs"
config=$root/etc/curvnet/curvnet.toml
[[ -e $config ]] || mv "$config.dpkg-new" "$config"
"$root/usr/bin/curvnet" check "$config"
say "$package is good"
