create or replace function flux.no_actor()
returns text
language plpgsql
stable
as $$
begin
  raise exception using
    errcode = 'FX003',
    message = 'there is no actor here',
    hint = 'flux.actor() is for actions and private stores; a shared store is the same for everybody.';
end;
$$;

comment on function flux.no_actor() is $$
Say that there is no actor: raises FX003, always.
$$;
