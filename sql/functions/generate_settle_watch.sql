create or replace function flux.generate_settle_watch()
returns void
language plpgsql
volatile
set search_path to ''
as $$
begin
  execute format(
    'create or replace function flux.settle_watch(watch integer, tx xid8)'
      ' returns flux.operations language plpgsql as %L',
    (
      select E'begin\n  case watch' || string_agg(
        format(E'\n    when %s then return flux.%I(tx);', w.id, 'watch_' || w.id || '_settle'), '' order by w.id
      ) || E'\n  end case;\nend'
      from flux.watch w
      where not w.permission
    )
  );
  comment on function flux.settle_watch(integer, xid8) is $comment$
The operations that the changes of a watched table make, by the watch. Made anew by flux.generate_watch for the watches
there are.
$comment$;
end;
$$;

comment on function flux.generate_settle_watch() is $$
Generate flux.settle_watch for the watches that there are: its branches are expressions, where a statement made of the
name would have to be planned each time.
$$;
