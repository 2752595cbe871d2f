#!/bin/sh
# Makes the secrets of docker/compose.yaml, once: random ones, in files that containers read (docker/secrets).
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
made() { [ -s "secrets/$1" ] || { cat > "secrets/$1.draft" && mv "secrets/$1.draft" "secrets/$1"; }; }
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
random | made key
random | made owner_password
random | made multiplexer_password
random | made redis_password
random | made grafana_password
printf 'postgresql://fluxwire:%s@postgres/fluxwire' "$(cat secrets/owner_password)" | made owner_url
printf 'postgresql://fluxwire_multiplexer:%s@postgres/fluxwire' "$(cat secrets/multiplexer_password)" | made multiplexer_url
printf 'redis://:%s@valkey:6379/0' "$(cat secrets/redis_password)" | made redis_url
# Outside of Swarm secrets are the files themselves, and containers read them as users of their own.
chmod 755 secrets
chmod 644 secrets/*
