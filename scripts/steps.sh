# shellcheck shell=bash
# The machinery of test.sh: runs named steps, keeps their logs, prints the table. Sourced after lib.sh.
#
#     step NAME [--root] [--needs FILE]... [--other-builds WHY] [VARIABLE=VALUE]... COMMAND [ARGUMENT]...
#
# A step passes when COMMAND exits 0. It is skipped when it needs root and there is none. A FILE that is
# not there is a failure: the list in test.sh says what the repository has to hold.
#
# A test that cannot run on this machine passes and prints a line that begins with `skipped`, then name and
# reason; such lines are collected from the log. With CI=true anything skipped is a failure.

LOGS=$TARGET_DIR/test-logs
# No step may hang for ever; the longest takes a few minutes on two cores.
STEP_LIMIT_S=${STEP_LIMIT_S:-1500}
TAIL_LINES=100
# How the tools used here begin a line that says what failed. A panic does not: tests provoke some.
FAILURE='^ *(error|FAIL|FAILED|SIGNAL|TIMEOUT|test .* FAILED|Diff in)'

SELECTED=()  # globs of the steps to run; empty is all
LIST_ONLY=   # print the names, run nothing
TABLE=()     # lines of the final table
SKIPS=()     # "step: what: why" of everything that was skipped
ELSEWHERE=() # the same of tests for other builds
PASSED=0 FAILED=0 SKIPPED=0
CHILD=       # process of the running step

selected() {
    local glob
    [[ ${#SELECTED[@]} -gt 0 ]] || return 0
    for glob in "${SELECTED[@]}"; do
        # shellcheck disable=SC2053  # a glob, on purpose
        [[ $1 == $glob ]] && return 0
    done
    return 1
}

record() { # NAME RESULT SECONDS [NOTE]
    case $2 in
    pass) PASSED=$((PASSED + 1)) ;;
    skip) SKIPPED=$((SKIPPED + 1)) ;;
    *) FAILED=$((FAILED + 1)) ;;
    esac
    TABLE+=("$(printf '%-22s %-5s %6s  %s' "$1" "$2" "$3" "${4:-}")")
    say "$1: $2 ($3 s) ${4:-}"
}

skip() { # NAME WHY
    SKIPS+=("$1: $2")
    if [[ ${CI:-} == true ]]; then
        record "$1" FAIL 0 "skipped, which CI does not allow: $2"
    else
        record "$1" skip 0 "$2"
    fi
}

# Runs a command without input and with a time limit, in a process group of its own, so that an
# interrupt of the script ends all of it. A shell without job control has its background commands
# ignore SIGINT; tests that stop programs by SIGINT would inherit that, so `env` undoes it.
limited() { # LOG COMMAND...
    local log=$1
    shift
    timeout --kill-after=20 "$STEP_LIMIT_S" env --default-signal=INT,QUIT "$@" </dev/null >"$log" 2>&1 &
    CHILD=$!
    local status=0
    wait "$CHILD" || status=$?
    CHILD=
    return "$status"
}

# The end of a log, where the output of what failed stands, and before it the lines that name a failure further up. The
# runner of cargo test shows the outputs where a binary ends, and goes on with the next.
show_failure() { # LOG
    say "the end of $1:"
    {
        head -n "-$TAIL_LINES" "$1" | grep -aE "$FAILURE" | head -n 40 || true
        head -n "-$TAIL_LINES" "$1" | sed -n '/^failures:$/,/^test result: FAILED/p' | tail -n "$TAIL_LINES"
        echo '...'
        tail -n "$TAIL_LINES" "$1"
    } | sed 's/^/    /' >&2
}

step() {
    local name=$1 needs_root='' other_builds='' file log start seconds status=0 note='' line before=${#SKIPS[@]}
    shift
    selected "$name" || return 0
    if [[ -n $LIST_ONLY ]]; then
        echo "$name"
        return
    fi
    while :; do
        case $1 in
        --root) needs_root=1 ;;
        --other-builds)
            other_builds=$2
            shift
            ;;
        --needs)
            file=$2
            shift
            if [[ ! -e $file ]]; then
                record "$name" FAIL 0 "$file is not there"
                return
            fi
            ;;
        *) break ;;
        esac
        shift
    done
    local prefix=()
    if [[ -n $needs_root ]]; then
        if ! find_root; then
            skip "$name" "needs root"
            return
        fi
        prefix=("${ROOT[@]}")
    fi

    log=$LOGS/$name.log
    say "$name: $*"
    start=$SECONDS
    limited "$log" "${prefix[@]}" env "$@" || status=$?
    seconds=$((SECONDS - start))
    while IFS= read -r line; do
        if [[ -n $other_builds && $line =~ $other_builds ]]; then
            ELSEWHERE+=("$name: $line")
        else
            SKIPS+=("$name: $line")
        fi
    done < <(sed -n 's/^ *skipped[: ] *//p' "$log" | sort -u)
    local tests_skipped=$((${#SKIPS[@]} - before))
    ((tests_skipped == 0)) || note="$tests_skipped skipped inside"

    if ((status == 0)) && [[ ${CI:-} == true ]] && ((tests_skipped > 0)); then
        record "$name" FAIL "$seconds" "$note, which CI does not allow"
    elif ((status == 0)); then
        record "$name" pass "$seconds" "$note"
    else
        ((status != 124 && status != 137)) || note="took longer than $STEP_LIMIT_S s"
        record "$name" FAIL "$seconds" "${note:-exit code $status}"
        show_failure "$log"
    fi
}

stop_child() {
    [[ -z $CHILD ]] || kill "$CHILD" 2>/dev/null || true
    exit 130
}
trap stop_child INT TERM

# The table, what was skipped by name, and the closing line that CI reads. Fails if a step failed.
finish() {
    local line
    [[ -z $LIST_ONLY ]] || exit 0
    printf '\n%-22s %-5s %6s\n' step result seconds
    printf '%s\n' "${TABLE[@]}"
    if [[ ${#SKIPS[@]} -gt 0 ]]; then
        printf '\nskipped:\n'
        for line in "${SKIPS[@]}"; do printf '  %s\n' "$line"; done
    fi
    if [[ ${#ELSEWHERE[@]} -gt 0 ]]; then
        printf '\nfor other builds, where they run:\n'
        for line in "${ELSEWHERE[@]}"; do printf '  %s\n' "$line"; done
    fi
    printf '\n%s minutes, logs in %s\n' "$((SECONDS / 60))" "$LOGS"
    echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
    # A selection that matches no step tested nothing.
    ((FAILED == 0 && PASSED + SKIPPED > 0))
}
