# Sourced by ./check and ./quickstart: steps that show progress, keep their
# output in a file, and print the end of it when they fail.
#
# The caller sets $top (the source tree) and $work (a folder for builds and
# logs), then calls steps_begin.

jobs=$(nproc)
PATH=$PATH:/usr/sbin:/sbin
export PATH

steps_begin() {
    mkdir -p "$work/logs"
    SECONDS=0
    step_nr=0
    step_pid=
    trap 'steps_abort' INT TERM HUP
}

steps_abort() {
    if test -n "$step_pid"; then
        # A step is a process group of its own; ask, then make sure.
        kill -TERM -- "-$step_pid" 2>/dev/null
        wait "$step_pid" 2>/dev/null
    fi
    echo
    echo "interrupted"
    exit 130
}

# step SECONDS WHAT COMMAND...: runs COMMAND, at most SECONDS long, its output
# in a file.  Returns its status.  $step_log names the file afterwards.
step() {
    local limit=$1 what=$2 begin=$SECONDS status name
    shift 2
    step_nr=$((step_nr + 1))
    name=$(printf '%02d-%s' "$step_nr" "$what" | tr -cs 'A-Za-z0-9\n' -)
    step_log=$work/logs/$name.log
    printf '[%4d s] %-50s ' "$begin" "$what"
    # timeout puts the step into its own process group.
    timeout -k 20 "$limit" "$@" >"$step_log" 2>&1 </dev/null &
    step_pid=$!
    wait "$step_pid"
    status=$?
    step_pid=
    if test $status = 0; then
        echo "ok ($((SECONDS - begin)) s)"
        return 0
    fi
    if test $status = 124 || test $status = 137; then
        echo "FAILED: not done after $((SECONDS - begin)) s"
    else
        echo "FAILED ($((SECONDS - begin)) s)"
    fi
    echo "---- the end of $step_log"
    tail -n "${step_tail:-40}" "$step_log"
    echo "----"
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
