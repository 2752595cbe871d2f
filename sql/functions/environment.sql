create or replace function flux.environment()
returns jsonb
language plpgsql
stable
set search_path to ''
as $$
begin
  return (
    select jsonb_build_object(
      'server_encoding', pg_encoding_to_char(d.encoding),
      -- ICU's locale has another name since version 17.
      'collation', concat_ws(
        ' ', case d.datlocprovider when 'c' then 'libc' when 'i' then 'icu' when 'b' then 'builtin' end,
        case when d.datlocprovider = 'c' then d.datcollate end,
        coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')
      ),
      'character classes', d.datctype,
      'collation version', coalesce(pg_database_collation_actual_version(d.oid), '')
    )
    from pg_catalog.pg_database d
    where d.datname = current_database()
  ) || (
    select jsonb_object_agg(s.name, s.reset_val)
    from pg_catalog.pg_settings s
    where s.name in (
      'lc_monetary', 'lc_numeric', 'lc_time', 'default_text_search_config', 'timezone_abbreviations'
    )
  );
end;
$$;

comment on function flux.environment() is $$
What beside functions and tables may decide what an action does: the database's encoding and collation, and settings of
language. Time zone and formats are not among them: sessions of the engine pin these.
$$;
