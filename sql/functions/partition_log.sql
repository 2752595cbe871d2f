create or replace function flux.partition_log(until timestamptz default now() + interval '1 month')
returns void
language plpgsql
volatile
security definer
set search_path to ''
set timezone to 'UTC'
as $$
declare
  _month timestamptz := date_trunc('month', now());
  _name text;
begin
  while _month <= partition_log.until loop
    if to_regclass(format('flux.%I', 'action_' || to_char(_month, 'YYYY_MM'))) is null then
      _name := 'action_' || to_char(_month, 'YYYY_MM');
      execute format('create table flux.%I (like flux.action including defaults including constraints)', _name);
      -- What came while nobody made the month.
      execute format(
        'with moved as (delete from flux.action_default where at >= %L and at < %L returning *)'
          ' insert into flux.%I select * from moved',
        _month, _month + interval '1 month', _name
      );
      execute format(
        'alter table flux.action attach partition flux.%I for values from (%L) to (%L)',
        _name, _month, _month + interval '1 month'
      );
    end if;
    _month := _month + interval '1 month';
  end loop;
end;
$$;

comment on function flux.partition_log(timestamptz) is $$
Make the action log's partitions, one a month in UTC, from now until a time. Deploys and multiplexers call it in good
time; what comes in a month without one waits in the default partition.
$$;
