#!/usr/bin/env bash
# Installs the Debian packages that curvnet needs, and only those that are missing.
#
#     scripts/install-deps.sh [build] [test] [package]        default: build
#
# Without apt (another distribution) it only checks that DPDK is there, and names what to install.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

BUILD_PACKAGES=(
    dpdk dpdk-dev libdpdk-dev # the library, its headers, its drivers, dpdk-testpmd
    libclang-dev clang        # bindgen reads DPDK's headers with these; one version of both
    pkg-config                # where libdpdk is, and with which flags
    gcc libc6-dev             # the C shim, and the linker that rustc calls
    libpcap-dev               # the compiler of capture filters
)
TEST_PACKAGES=(
    python3 python3-scapy # end to end tests and the bench's driver; scapy crafts the packets
    iproute2              # network namespaces and veth pairs
    iputils-ping traceroute tcpdump ethtool
    python3-prometheus-client # a parser of OpenMetrics that is not ours
    mandoc zsh fish systemd # readers of the manual pages, of completions and of the unit
)
PACKAGE_PACKAGES=(
    dpkg-dev # finds the packages of the shared libraries
)

# An installed package's status is "ii "; dpkg-query fails on names it never heard of.
missing_of() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || printf '%s\n' "$package"
    done
}

# True when apt knows a version to install of every package: then no apt-get update is needed.
apt_knows() {
    local package
    for package in "$@"; do
        apt-cache policy "$package" 2>/dev/null | grep -q '^ *Candidate: [^(]' || return 1
    done
}

apt_get() {
    "${ROOT[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

wanted=()
for set in "${@:-build}"; do
    case $set in
    build) wanted+=("${BUILD_PACKAGES[@]}") ;;
    test) wanted+=("${TEST_PACKAGES[@]}") ;;
    package) wanted+=("${PACKAGE_PACKAGES[@]}") ;;
    *) die "unknown set of packages '$set': build, test or package" ;;
    esac
done

if ! command -v apt-get >/dev/null; then
    if pkg-config --atleast-version=22.11 libdpdk 2>/dev/null; then
        say "no apt here; DPDK $(pkg-config --modversion libdpdk) is installed, the rest is taken on trust"
        exit 0
    fi
    die "no apt here, and no DPDK 22.11 or later; install your distribution's packages for: ${wanted[*]}"
fi

mapfile -t missing < <(missing_of "${wanted[@]}")
[[ ${#missing[@]} -gt 0 ]] || exit 0

say "missing Debian packages: ${missing[*]}"
find_root || die "installing packages needs root, and there is neither root nor a usable sudo.
       Run this as root, then try again:  apt-get install ${missing[*]}"

apt_knows "${missing[@]}" || apt_get update
# Package lists that are too old name versions that the archive no longer has.
if ! apt_get install --no-install-recommends "${missing[@]}"; then
    say "installation failed; trying once more with fresh package lists"
    apt_get update
    apt_get install --no-install-recommends "${missing[@]}"
fi

mapfile -t missing < <(missing_of "${missing[@]}")
[[ ${#missing[@]} -eq 0 ]] || die "still missing after the installation: ${missing[*]}"
