create or replace function flux.render(
  key text,
  out epoch text,
  out version bigint,
  out document jsonb
)
language plpgsql
stable
set search_path to ''
set timezone to 'UTC'
set datestyle to 'ISO'
set extra_float_digits to 1
as $$
declare
  _store text := flux.key_store(render.key);
  _params jsonb := flux.key_params(render.key);
  _watches flux.watch[];
  _watch record;
  _part jsonb;
begin
  select e.epoch, e.base + coalesce(v.version, 0)
  into render.epoch, render.version
  from flux.epoch e
  left join flux.version v on v.key = render.key;

  if to_regprocedure(format('flux.%I(jsonb)', 'store_' || left(_store, 51))) is null then
    raise exception using errcode = 'FX010', message = format('There is no store "%s".', _store);
  end if;

  select array_agg(w order by w.id) into _watches from flux.watch w where w.store = _store and not w.permission;
  perform
    set_config('flux.actor', coalesce(_params ->> '@actor', ''), true),
    set_config('role', 'fluxwire_application', true);
  execute format('select flux.%I($1)', 'store_' || _store) into document using _params - '@actor';
  if jsonb_typeof(document) is distinct from 'object' then
    raise exception using errcode = 'FX013', message = format('store %s must render a JSON object', _store);
  end if;

  for _watch in select w.id, w.path from unnest(_watches) as w loop
    execute format('select flux.%I($1)', 'watch_' || _watch.id || '_part') into _part using _params;
    if _part is not null then
      document := jsonb_set(document, _watch.path, _part);
    end if;
  end loop;
  perform set_config('flux.actor', '', true), set_config('role', 'none', true);
end;
$$;

comment on function flux.render(text) is $$
A store as it is now: epoch, version and document, all of one snapshot.

The document is what the store's function returns, with the watched parts put in at their paths. Beside a deploy that
commits just then it may be of the new functions and the old version: flux.render_all waits for that. Raises FX010 when
the store is gone, FX013 when it renders anything but an object, and whatever its function raises.
$$;
