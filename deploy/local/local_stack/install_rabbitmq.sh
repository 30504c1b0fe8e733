#!/bin/sh
# Installs RabbitMQ with apt for local_stack; needs root. It leaves no broker behind that nobody asked for: none is
# started now (policy-rc.d says no to every service), and none at the next boot (the fresh units are disabled).
set -eu

policy=/usr/sbin/policy-rc.d
kept="$policy.kept-by-attache"
mark='# placed by attache while it installs RabbitMQ'
epmd_before=$(command -v epmd || true)

is_ours() { grep -qF "$mark" "$policy" 2>/dev/null; }

restore() {
    if [ -e "$kept" ]; then mv -f "$kept" "$policy"; elif is_ours; then rm -f "$policy"; fi
}

trap restore EXIT
trap 'exit 130' INT TERM HUP
# Ours can be here already, from a run that was killed; what was there before that run is then in $kept.
if [ -e "$policy" ] && ! is_ours; then mv "$policy" "$kept"; fi
printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
# One unreachable archive that has nothing to do with us must not stop us: the install itself tells if it was enough.
apt-get update -q || echo "apt-get update was not complete; going on with the lists that are there"
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 rabbitmq-server

if command -v systemctl >/dev/null; then
    systemctl --quiet disable rabbitmq-server.service || true
    [ -n "$epmd_before" ] || systemctl --quiet disable epmd.service epmd.socket || true
fi
