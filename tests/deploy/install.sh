#!/bin/sh
# Installs what the tests of deploys run, on Debian or Ubuntu, as root. None of it is started as a service.
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends postgresql redis-server pgbouncer rabbitmq-server nginx-light openssl
