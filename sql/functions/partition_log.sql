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
begin
  while _month <= partition_log.until loop
    if to_regclass(format('flux.%I', 'action_' || to_char(_month, 'YYYY_MM'))) is null then
      execute format(
        'create table flux.%I partition of flux.action for values from (%L) to (%L)',
        'action_' || to_char(_month, 'YYYY_MM'), _month, _month + interval '1 month'
      );
    end if;
    _month := _month + interval '1 month';
  end loop;
end;
$$;

comment on function flux.partition_log(timestamptz) is $$
Make the action log's partitions, one a month in UTC, from now until a time. Deploys and multiplexers call it in good time;
a month without one goes to the default partition.
$$;
