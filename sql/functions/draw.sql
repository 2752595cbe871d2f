create or replace function flux.draw()
returns bytea
language plpgsql
volatile
as $$
declare
  _seed text := coalesce(nullif(current_setting('flux.seed', true), ''), gen_random_uuid()::text);
  _drawn integer := coalesce(nullif(current_setting('flux.drawn', true), ''), '0')::integer + 1;
  _ignored text;
begin
  _ignored := set_config('flux.drawn', _drawn::text, true);
  return sha256(convert_to(_seed || ':' || _drawn, 'UTF8'));
end;
$$;

comment on function flux.draw() is $$
The next 32 random bytes of the action that runs: made from its secret seed, so that replay draws the same and nobody can guess them.
$$;
