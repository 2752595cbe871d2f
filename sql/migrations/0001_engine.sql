-- The engine's tables. A migration runs once; its text never changes after a release.

create schema if not exists flux;
create schema if not exists actions;
create schema if not exists stores;

comment on schema flux is 'Fluxwire''s engine';
comment on schema actions is 'the application''s actions: functions that change state';
comment on schema stores is 'the application''s stores: functions that render state';

-- Who leads. One row, changed only when the lead changes, so that flux.dispatch can hold it
-- for share without ever waiting for a heartbeat.
create table flux.term (
  one boolean primary key default true constraint there_is_one_term check (one),
  term bigint not null,
  leader text not null,
  backend integer
);

insert into flux.term (term, leader) values (0, '');

-- Heartbeats are apart from the term: a long action must not look like a dead leader.
create unlogged table flux.heartbeat (
  term bigint primary key,
  beat_at timestamptz not null
);

-- The numbering of versions; a new epoch says that it starts anew (restore, replay, failover). Numbers are of one
-- history of the database: another one may have given the same numbers to other contents. A store's version is the base
-- and its own count together: flux.touch_all raises every version there is, also of stores that never changed, by
-- raising the base.
create table flux.epoch (
  one boolean primary key default true constraint there_is_one_epoch check (one),
  epoch text not null default left(replace(gen_random_uuid()::text, '-', ''), 8),
  history text not null default '',
  base bigint not null default 0
);

insert into flux.epoch default values;

-- A client's last used number on each lane. The actor is part of the key: nobody can burn or read another's numbers.
create table flux.client (
  actor text not null,
  client text not null,
  lane integer not null,
  number bigint not null default 0,
  seen_at timestamptz not null default now(),
  primary key (actor, client, lane)
) with (fillfactor = 50);

-- The action log: everything a replay needs, and every outcome. A partition a month (flux.partition_log), so that old
-- ones can go; numbers are kept in flux.client, so exactly-once does not depend on what is kept here.
create table flux.action (
  -- Dense: what is missing shows. flux.dispatch counts, one at a time.
  seq bigint not null,
  actor text not null,
  claims text not null,
  client text not null,
  lane integer not null,
  number bigint not null,
  name text not null,
  params text not null,
  at timestamptz not null,
  took interval not null,
  seed text not null,
  status text not null constraint status_is_ok_or_refused check (status in ('ok', 'refused')),
  reply jsonb,
  code text,
  message text,
  constraint_name text,
  column_name text,
  sqlstate text,
  stores jsonb not null default '{}',
  -- Where the sequences stood that it moved.
  positions jsonb,
  -- SHA-256 of the link before and of all that a replay takes from this row (flux.link): what was edited shows.
  link bytea not null,
  -- Which functions ran it.
  deployment integer not null
) partition by range (at);

create index action_seq on flux.action (seq);
create index action_identity on flux.action (actor, client, lane, number);
create table flux.action_default partition of flux.action default;

-- The action before the first in the log: none, or where a baseline was taken, or the last one that was trimmed.
create table flux.origin (
  one boolean primary key default true constraint there_is_one_origin check (one),
  seq bigint not null default 0,
  at timestamptz,
  link bytea not null default ''
);

insert into flux.origin default values;

-- Every deploy that changed something, and what beside the functions may decide what they do (flux.environment).
create table flux.deployment (
  id integer generated always as identity primary key,
  deployed_at timestamptz not null default now(),
  changed text[] not null,
  environment jsonb not null
);

-- What was written to watched tables past the actions, in commits after the action of that number: no replay can know.
-- Of more than a thousand rows of one table in one transaction it has only how many they were.
create table flux.foreign_write (
  id bigint generated always as identity primary key,
  seq bigint not null,
  written_at timestamptz not null default clock_timestamp(),
  role text not null default session_user,
  application text not null default current_setting('application_name'),
  source text,
  item text,
  rows bigint not null,
  stores text[] not null
);

-- How often each store has changed since it first did; see flux.epoch for what makes its version of that.
create table flux.version (
  -- An index has no room for much more.
  key text primary key constraint a_store_key_has_at_most_2000_bytes check (octet_length(key) <= 2000),
  version bigint not null
) with (fillfactor = 50);

-- Stores that may be read, and by whom; without a row nobody may.
create table flux.declared_store (
  name text primary key,
  private boolean not null,
  permit text
);

-- Which table feeds which part of which store, or the verdicts on who may read it.
create table flux.watch (
  id integer generated always as identity primary key,
  store text not null,
  path text[] not null,
  source text not null,
  match jsonb not null,
  key text,
  columns text[] not null,
  newest text,
  keep integer,
  permission boolean not null default false,
  -- The table and its partitions and children, as far as they have triggers.
  members oid[] not null default '{}',
  unique (store, path)
);

-- What the transactions now under way have changed so far: the rows' places before the transaction.
-- Written by triggers, read and emptied by flux.settle at commit. A crash ends the transactions too.
-- Ops are RFC 6902 operations, without the brackets of their array: JSON text is joined, and never parsed.
create unlogged table flux.change (
  tx xid8 not null,
  action integer not null,
  watch integer not null,
  key text not null,
  item text not null,
  present boolean not null,
  place text,
  ops text,
  id bigint generated always as identity
);

create index on flux.change (tx);

-- One row a transaction that changed something outside of flux.dispatch, or everything; its deferred trigger settles.
create unlogged table flux.unsettled (
  tx xid8 primary key,
  everything boolean not null default false
);

-- The patches of a commit, until the multiplexer has taken them. No ops: it moved, render it. Recheck: who may read it
-- may have changed; the key is then a store's key or a store's name alone, for all its keys. An empty key: every store
-- moved, and the versions are the base's.
create unlogged table flux.patch (
  tx xid8 not null,
  key text not null,
  from_version bigint not null,
  to_version bigint not null,
  ops text,
  recheck boolean not null default false,
  -- Why the actor that is then in place of the key is kicked (flux.kick); no store has moved.
  kick text,
  -- Whether a doorbell rings for it. Not for what flux.dispatch settles, whose answer has these patches; but what comes
  -- after that in the same transaction, at its commit, does ring.
  rings boolean not null default true
);

create index on flux.patch (tx);
create index patch_rings on flux.patch (tx) where rings;

-- What fronts are to be told of a commit, one of its patches: see flux.patches.
create type flux.notice as (
  tx bigint,
  key text,
  epoch text,
  from_version bigint,
  to_version bigint,
  ops text,
  recheck boolean,
  kick text,
  rings boolean
);

-- An action as flux.dispatch takes it. Of one that is replayed the log gives the time, the seed and where the sequences
-- stood, too.
create type flux.sent as (
  actor text,
  -- JSON texts, as the token and the client have them.
  claims text,
  client text,
  lane integer,
  number bigint,
  name text,
  params text,
  -- A code to refuse it with instead of running it.
  refusal text,
  at timestamptz,
  seed text,
  positions jsonb
);

-- The operations on some stores, as the insides of JSON arrays: two parallel arrays, a key once for each watch at most.
create type flux.operations as (
  keys text[],
  ops text[]
);

-- What became of one action, as flux.dispatch answers. Reply and stores (key to version) are JSON texts.
create type flux.outcome as (
  status text,
  reply text,
  code text,
  message text,
  constraint_name text,
  column_name text,
  stores text
);

-- The same, inside of it.
create type flux.result as (
  status text,
  reply jsonb,
  code text,
  message text,
  constraint_name text,
  column_name text,
  sqlstate text,
  stores jsonb,
  took interval,
  -- The place in the batch of the same action, if this one is there for the second time.
  same_as integer,
  positions jsonb,
  -- Of what goes into the log: its number and link there, the time and the seed that the action saw.
  seq bigint,
  at timestamptz,
  seed text,
  link bytea
);
