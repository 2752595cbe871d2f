create or replace function flux.again(
  first_name text,
  first_params text,
  name text,
  params text,
  outcome flux.result
)
returns flux.result
language plpgsql
immutable
as $$
begin
  if (again.first_name, again.first_params) is distinct from (again.name, again.params) then
    return flux.no_outcome('invalid', 'number_reused', 'The number was used for another action.');
  end if;
  return again.outcome;
end;
$$;

comment on function flux.again(text, text, text, text, flux.result) is $$
The outcome for a number that is sent again: the first one's, or number_reused when it is another action.
$$;
