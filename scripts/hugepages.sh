#!/usr/bin/env bash
# Reserves hugepages for DPDK, if it may and if there are not enough. Never fails: curvnet runs without.
#
#     scripts/hugepages.sh [reserve [PAGES]]    see that PAGES pages of 2 MiB are free (default 512, 1 GiB)
#     scripts/hugepages.sh release              give all pages that are not in use back to the kernel
#     scripts/hugepages.sh free                 print how many pages are free

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

POOL=/sys/kernel/mm/hugepages/hugepages-2048kB

without() {
    say "hugepages: $1"
    say "           without them packet memory lies on transparent huge pages where the kernel has some, and"
    say "           everything works about as fast; NICs (the demo has none) need an IOMMU"
    exit 0
}

number_in() { cat "$POOL/$1" 2>/dev/null || echo 0; }

# nr_hugepages is a wish: the kernel stores what it could find, which has to be read back.
set_total() { "${ROOT[@]}" sh -c "echo $1 > $POOL/nr_hugepages" 2>/dev/null; }

reserve() {
    local wanted=$1 free total available_mib
    [[ -d $POOL ]] || without "this kernel has no pages of 2 MiB"
    free=$(number_in free_hugepages)
    total=$(number_in nr_hugepages)
    if ((free >= wanted)); then
        say "hugepages: $free of 2 MiB are free"
        return
    fi
    # What is reserved is lost to every other program: never take more than half of what is left.
    available_mib=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
    if (((wanted - free) * 4 > available_mib)); then
        without "$wanted pages of 2 MiB would take too much of the $available_mib MiB that are available"
    fi
    find_root || without "reserving some needs root, and there is neither root nor a usable sudo"
    set_total $((total + wanted - free)) || without "the kernel refused (a container with read-only /sys?)"
    free=$(number_in free_hugepages)
    if ((free < wanted)); then
        set_total "$total" || true
        without "memory is too fragmented: the kernel found $free of $wanted pages (a reboot helps)"
    fi
    say "hugepages: reserved, $free of 2 MiB are free now ($((free * 2)) MiB that other programs cannot use);"
    say "           'scripts/hugepages.sh release' gives them back"
}

release() {
    [[ -d $POOL ]] || without "this kernel has no pages of 2 MiB"
    find_root || die "giving hugepages back needs root"
    local used=$(($(number_in nr_hugepages) - $(number_in free_hugepages)))
    set_total "$used" || die "the kernel refused"
    say "hugepages: $(number_in nr_hugepages) of 2 MiB remain reserved"
}

pages=${2:-512}
[[ $pages =~ ^[0-9]+$ ]] || die "'$pages' is not a number of pages"
case ${1:-reserve} in
reserve) reserve "$pages" ;;
release) release ;;
free) number_in free_hugepages ;;
*) die "unknown command '$1': reserve, release or free" ;;
esac
