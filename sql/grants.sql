-- What the multiplexer may do with the engine; applied on every deploy, after the functions.

grant select, insert, update, delete on
  flux.term, flux.heartbeat, flux.client, flux.action, flux.version, flux.change, flux.unsettled, flux.patch
to fluxwire_multiplexer;
grant select, update on flux.epoch to fluxwire_multiplexer;
grant select on flux.declared_store, flux.watch, flux.origin, flux.migration, flux.script to fluxwire_multiplexer;
revoke execute on function
  flux.trim_log(timestamptz), flux.raise_all(), flux.follow(), flux.settle(boolean)
from public;
grant execute on function flux.follow(), flux.settle(boolean) to fluxwire_multiplexer;
