#!/usr/bin/env bash
# Shows the tunnel at work on this machine: installs what is missing, builds, starts both programs in
# front of a server, fetches its page directly and through the tunnel, and compares the two.
# usage: scripts/demo.sh [HOST:PORT]    your server; by default a small web page
# On a terminal the tunnel then stays open until Ctrl-C. Exit 0 only if the bytes were the same, or, for
# a server without HTTP, if a connection ended in the same way.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    '' | *[!:]:[0-9]*) target=${1-} ;;
    *) echo "$0: $1 is not HOST:PORT, see --help" >&2; exit 2 ;;
esac

folder=$(mktemp -d)
started=()
stop() {
    trap '' INT TERM HUP
    ((${#started[@]} == 0)) || kill "${started[@]}" 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
    echo "demo: $*" >&2
    exit 1
}

# start NAME COMMAND...: in its own session, so that Ctrl-C reaches only this script, which then stops
# everything in order.
start() {
    : >"$folder/$1.out" # which may be read before the program is there
    setsid "${@:2}" >"$folder/$1.out" 2>"$folder/$1.log" </dev/null &
    started+=($!)
}

# line FILE PATTERN: the first line of a file that matches, once there is one.
line() {
    for _ in {1..200}; do
        grep -m 1 -E "$2" "$folder/$1" && return
        kill -0 "${started[-1]}" 2>/dev/null || break
        sleep 0.05
    done
    cat "$folder"/*.log >&2
    fail "no line \"$2\" in the output above"
}

# fetch OUTPUT OPTION...: prints curl's exit code and HTTP/1, or HTTP/0 where something else than HTTP
# was spoken, or nothing where there was no connection. Redirects are not followed: they would lead around the tunnel.
fetch() {
    local status=0
    : >"$folder/$1"
    curl --silent --show-error --noproxy '*' --max-time 10 --http0.9 --output "$folder/$1" \
        --write-out '%{num_connects}HTTP/%{http_version}' "${@:2}" "http://$target/" \
        2>"$folder/$1.error" >"$folder/spoken" || status=$?
    echo "$status $(sed 's,^0HTTP.*,nothing,; s,^.*HTTP,HTTP,' "$folder/spoken")"
}

scripts/install-dependencies.sh curl python3
# The preset demo builds fastest; a release that is built already is used as it is.
preset=release
[[ -x build/release/remote-proxy/remote-proxy && -x build/release/origin-proxy/origin-proxy ]] || preset=demo
scripts/build.sh "$preset"
remote=build/$preset/remote-proxy/remote-proxy
origin=build/$preset/origin-proxy/origin-proxy

echo
if [[ -z $target ]]; then
    mkdir "$folder/page"
    echo "<!doctype html><title>tunnel</title><p>This page came through the tunnel." >"$folder/page/index.html"
    start page python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$folder/page"
    target=127.0.0.1:$(line page.out '^Serving HTTP' | grep -oE 'port [0-9]+' | cut -d ' ' -f 2)
fi

direct=$(fetch direct)
case $direct in
    "0 "* | *" HTTP/0") ;;
    *) fail "fetching from $target fails without the tunnel too: $(<"$folder/direct.error")" ;;
esac
# Short, for servers that leave a connection open after curl has left.
limits=(--grace-period 1s --half-close-timeout 5s)
start remote "$remote" --control-addr 127.0.0.1:0 --outside-addr 127.0.0.1:0 "${limits[@]}"
ready=$(line remote.out '^ready ')
control=$(grep -oE 'control=\S+' <<<"$ready") outside=$(grep -oE 'outside=\S+' <<<"$ready")
control=${control#*=} outside=${outside#*=}
start origin "$origin" --remote-proxy-addr "$control" --origin-server-addr "$target" "${limits[@]}"
line origin.out '^ready ' >/dev/null

# The same request, sent to another address.
tunnelled=$(fetch tunnelled --connect-to "::$outside")
visitor=$(line remote.log 'visitor ended')
echo "the origin server        $target"
echo "the same for visitors    $outside"
echo "the visitor in the log   $visitor"

bytes=$(stat -c %s "$folder/tunnelled")
same=no
! cmp -s "$folder/direct" "$folder/tunnelled" || same=yes
if [[ $direct == *" HTTP/0" ]]; then
    # Whatever the server sends: the tunnel must end in the same way, and the request must have reached
    # the server.
    [[ $tunnelled == "$direct" && $visitor != *" up=0 "* ]] || fail "not the same: $(<"$folder/tunnelled.error")"
    echo "$target does not speak HTTP; what was shown is a TCP connection through the tunnel that ended"
    echo "as one without it did. The server's $bytes bytes were the same both times: $same"
elif [[ $same == yes && $tunnelled == "$direct" ]]; then
    echo "compared                 $bytes bytes, the same with and without the tunnel"
elif fetch again >/dev/null && ! cmp -s "$folder/direct" "$folder/again"; then
    fail "without the tunnel too this page is another one each time, so comparing it shows nothing"
else
    fail "not the same bytes with and without the tunnel. $(<"$folder/tunnelled.error")"
fi
cat <<END

For real use, make a secret once and copy it to both machines; then start one program on the machine that visitors
reach, and the other one next to the origin server:
  $PWD/$remote gen-secret > secret
  $PWD/$remote --control-addr 0.0.0.0:9001 --outside-addr 0.0.0.0:9000 --secret-file secret
  $PWD/$origin --remote-proxy-addr HOST:9001 --origin-server-addr ${1-localhost:8000} --secret-file secret
(HOST is the name or address of the first; visitors then connect to HOST:9000. README.md has more.)
END

if [[ -t 0 && -t 1 ]]; then
    trap 'echo; exit 0' INT
    echo
    [[ $direct == *" HTTP/0" ]] || outside=http://$outside/
    echo "$outside stays open until Ctrl-C. Its visitors:"
    setsid tail -n 0 -f "$folder/remote.log" &
    started+=($!)
    wait -n "${started[@]}"
    fail "a program has ended by itself: $(tail -n 1 "$folder"/*.log)"
fi
