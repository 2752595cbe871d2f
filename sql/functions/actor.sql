create or replace function flux.actor()
returns text
language plpgsql
stable
as $$
declare
  _actor text := current_setting('flux.actor', true);
begin
  if coalesce(_actor, '') = '' then
    raise exception using
      errcode = 'FX003',
      message = 'there is no actor here',
      hint = 'flux.actor() is for actions and private stores; a shared store is the same for everybody.';
  end if;
  return _actor;
end;
$$;

comment on function flux.actor() is $$
Who dispatched the action that runs, or for whom a private store is rendered.

Raises FX003 in shared stores and outside of Fluxwire.
$$;
