create or replace function flux.reject(code text, message text)
returns void
language plpgsql
volatile
set search_path to ''
as $$
begin
  raise exception using errcode = 'FX001', message = reject.message, detail = reject.code;
end;
$$;

comment on function flux.reject(text, text) is $$
Refuse the action that runs: it takes no effect, and its caller gets this code and message.

Raises FX001, always.
$$;
