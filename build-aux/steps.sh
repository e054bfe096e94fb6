# Sourced by ./check and ./quickstart: steps that show progress, keep their
# output in a file, and print the end of it when they fail.
#
# The caller sets $top (the source tree), $work (a folder for builds) and $logs
# (one for logs), then calls steps_begin.

jobs=$(nproc)
PATH=$PATH:/usr/sbin:/sbin
export PATH

steps_begin() {
    mkdir -p "$logs"
    SECONDS=0
    step_nr=0
    step_pid=
    beside_pid=
    trap 'steps_abort' INT TERM HUP
}

steps_abort() {
    local pid
    for pid in $step_pid $beside_pid; do
        # A step is a process group of its own.
        kill -TERM -- "-$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    echo
    echo "interrupted"
    exit 130
}

# step_start SECONDS WHAT COMMAND...: begins a step, with its output in
# $step_log and its process in $step_pid.
step_start() {
    local limit=$1 what=$2 name
    shift 2
    step_nr=$((step_nr + 1))
    name=$(printf '%02d-%s' "$step_nr" "$what" | tr -cs 'A-Za-z0-9\n' -)
    step_log=$logs/$name.log
    printf '[%4d s] %-50s ' "$SECONDS" "$what"
    # timeout puts the step into its own process group.
    timeout -k 20 "$limit" "$@" >"$step_log" 2>&1 </dev/null &
    step_pid=$!
}

# step_end PID LOG BEGIN: waits for a step, says how it went, returns its
# status.
step_end() {
    local log=$2 took status
    wait "$1"
    status=$?
    took=$((SECONDS - $3))
    if test $status = 0; then
        echo "ok ($took s)"
        return 0
    fi
    if test $status = 124 || test $status = 137; then
        echo "FAILED: not done after $took s"
    else
        echo "FAILED ($took s)"
    fi
    echo "---- the end of $log"
    tail -n 40 "$log"
    echo "----"
    return $status
}

# step SECONDS WHAT COMMAND...: runs COMMAND, at most SECONDS long, its output
# in a file.  Returns its status.
step() {
    local begin=$SECONDS status
    step_start "$@"
    step_end "$step_pid" "$step_log" "$begin"
    status=$?
    step_pid=
    return $status
}

# beside SECONDS WHAT COMMAND...: begins a step (one at a time) that goes on
# beside those that follow, until beside_end reports on it.
beside() {
    beside_begin=$SECONDS beside_what=$2
    step_start "$@"
    beside_pid=$step_pid beside_log=$step_log step_pid=
    echo "begun"
}

beside_end() {
    local status
    printf '[%4d s] %-50s ' "$SECONDS" "$beside_what"
    step_end "$beside_pid" "$beside_log" "$beside_begin"
    status=$?
    beside_pid=
    return $status
}

# step_skip WHAT WHY
step_skip() {
    step_nr=$((step_nr + 1))
    printf '[%4d s] %-50s SKIP: %s\n' "$SECONDS" "$1" "$2"
}

# build_tree FOLDER CONFIGURE-OPTION...: an out-of-tree build; what is up to
# date is not made again.
build_tree() {
    local dir=$1
    shift
    if test -f "$top/config.status"; then
        # autoconf refuses to build elsewhere while the source is configured.
        make -s -C "$top" distclean || return 1
    fi
    if ! test -x "$top/configure"; then "$top/boot.sh" || return 1; fi
    mkdir -p "$dir" && cd "$dir" || return 1
    if ! test -f Makefile || test "$(cat .options 2>/dev/null)" != "$*"; then
        "$top/configure" "$@" || return 1
        echo "$*" >.options
    fi
    make -s -j"$jobs"
}

# link_programs FOLDER: lets scripts name the programs as an in-tree build
# does.
link_programs() {
    local p
    for p in cli/socknet controller/socknet-controller agent/socknet-agent; do
        if ! test -e "$top/$p" || test -L "$top/$p"; then
            ln -sfn "$1/$p" "$top/$p"
        fi
    done
}
