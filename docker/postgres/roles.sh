#!/bin/sh
# Run once, by the image of Postgres, on an empty data folder: the role that multiplexers log in as, with its password.
# A deploy gives it its rights.
set -eu
password=$(cat /run/secrets/multiplexer_password)
printf 'create role fluxwire_multiplexer login noinherit password %s;\n' "'$password'" \
  | psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --no-psqlrc --quiet
