create or replace function flux.raise_all()
returns void
language plpgsql
volatile
security definer
set search_path to ''
set lock_timeout to '800ms'
as $$
declare
  _base bigint;
begin
  if exists (select from flux.term t where t.term = 0) then
    -- Nobody has led yet, so nobody holds a store.
    return;
  end if;

  -- Who counts from the base (flux.settle) or renders (flux.render_all) has ended by then, or begins when this has
  -- committed. While it waits all of them wait: again and again for less than their own lock_timeout, rather than once
  -- for long.
  for _attempt in reverse 6..1 loop
    begin
      perform pg_advisory_xact_lock(hashtext('flux.base'));
      exit;
    exception
      when lock_not_available then
        if _attempt = 1 then
          raise;
        end if;
    end;
  end loop;

  update flux.epoch e set base = e.base + 1 returning e.base into _base;
  insert into flux.patch (tx, key, from_version, to_version) values (pg_current_xact_id(), '', _base - 1, _base);
  perform pg_notify('flux', pg_current_xact_id()::text);
end;
$$;

comment on function flux.raise_all() is $$
Raise the version of every store by one; called at the commit of a transaction that called flux.touch_all.

Raises 55P03 when renders or commits under way do not end in five seconds.
$$;
