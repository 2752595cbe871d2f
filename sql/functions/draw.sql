create or replace function flux.draw()
returns bytea
language sql
volatile
as $$
  -- One expression, as in flux.uuid, flux.now and flux.actor: it becomes part of the caller's own.
  select sha256(convert_to(
    coalesce(nullif(current_setting('flux.seed', true), ''), gen_random_uuid()::text) || ':' || set_config(
      'flux.drawn', (coalesce(nullif(current_setting('flux.drawn', true), ''), '0')::integer + 1)::text, true
    ),
    'UTF8'
  ));
$$;

comment on function flux.draw() is $$
The next 32 random bytes of the action that runs: made from its secret seed, so that replay draws the same and nobody
can guess them.
$$;
