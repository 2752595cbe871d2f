create or replace function flux.render_all(keys text[], most integer)
returns table (
  key text,
  epoch text,
  base bigint,
  version bigint,
  size integer,
  document text
)
language plpgsql
volatile
set search_path to ''
set timezone to 'UTC'
set datestyle to 'ISO'
set extra_float_digits to 1
as $$
#variable_conflict use_column
begin
  -- Before the snapshot in which the stores are read: a deploy that replaces their functions raises the base under this
  -- lock.
  perform pg_advisory_xact_lock_shared(hashtext('flux.base'));

  return query
  select k.key, r.epoch, e.base, r.version, t.size, case when t.size <= render_all.most then t.text end
  from unnest(render_all.keys) with ordinality as k (key, position)
  cross join flux.epoch e
  cross join lateral flux.render(k.key) as r
  cross join lateral (
    -- Text takes its time: what has no chance of being short enough is not made one of.
    select case when b.size <= 8::bigint * render_all.most then r.document::text end as text, b.size
    from (select pg_column_size(r.document) as size) as b
    offset 0
  ) as b
  cross join lateral (select b.text, coalesce(octet_length(b.text), b.size) as size offset 0) as t
  order by k.position;
end;
$$;

comment on function flux.render_all(text[], integer) is $$
Stores as they are now, all of one snapshot and in the order of their keys: epoch, base and version (flux.epoch), and
the document as JSON text with its size in bytes (roughly, if it is many times too large), or nothing instead of a
document of more than `most` bytes.

Raises what flux.render raises.
$$;
