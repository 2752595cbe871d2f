create or replace function flux.no_outcome(status text, code text, message text)
returns flux.result
language sql
immutable
as $$
  select row(
    status, null, code, message, null, null, null, '{}', null, null, null, null, null, null, null
  )::flux.result;
$$;

comment on function flux.no_outcome(text, text, text) is $$
What is said of an action that was not run: its status, and the code and message of why.
$$;
