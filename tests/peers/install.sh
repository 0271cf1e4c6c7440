#!/bin/sh
# Install the Debian programs that the tests and benchmarks talk to. Quiet, idempotent, quick when they are there;
# without root or apt it only says what is missing, and the tests that need it skip with the reason.
set -eu

missing=""
need() { # need PROGRAM PACKAGE
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need dig bind9-dnsutils
need named-checkzone bind9-utils
need delv bind9-dnsutils
need dnssec-signzone bind9-utils
need dnsperf dnsperf
need named bind9
need dnsdist dnsdist
need unbound unbound
need dns2tcpc dns2tcp
need iodine iodine
need tcpdump tcpdump
need ip iproute2
need kcat kcat
need tcpdump tcpdump
need fstrm_capture fstrm-bin
need curl curl
need clickhouse-server clickhouse-server
need java default-jre-headless
need mvn maven
need prometheus prometheus
need taskset util-linux

[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "peers: not installed (needs root and apt):$missing" >&2
    exit 0
fi

export DEBIAN_FRONTEND=noninteractive
# The packages' own services must not start: the tests start what they need, on ports of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
log=$(mktemp)
install() {
    # shellcheck disable=SC2086 # a list of packages
    apt-get install -qq -y --no-install-recommends $missing >"$log" 2>&1
}
install || { apt-get update -qq >"$log" 2>&1 && install; } || {
    echo "peers: could not install$missing:" >&2
    tail -n 5 "$log" >&2
}
rm -f "$log"
