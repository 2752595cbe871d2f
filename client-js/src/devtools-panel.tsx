/** The panel of {@link DevTools}: connection, stores through their versions, and actions with what became of them. */
import { useEffect, useState, useSyncExternalStore } from 'react';
import type { CSSProperties, ReactElement } from 'react';
import type { Client } from './client.ts';
import { isObject } from './json.ts';
import type { Json } from './json.ts';
import type { Recorded, Recorder, SeenAction, SeenStore } from './recorder.ts';

export interface DevToolsProps {
  client: Client;
  recorder: Recorder;
  /** Begin with the panel open. */
  open?: boolean;
}

/** See {@link DevTools}. */
export default function DevToolsPanel({ client, recorder, open: begun = false }: DevToolsProps): ReactElement {
  const [open, setOpen] = useState(begun);
  const recorded = useSyncExternalStore(recorder.subscribe, recorder.get, recorder.get);
  useEffect(() => recorder.follow(client), [client, recorder]);
  return (
    <aside aria-label="Fluxwire DevTools" style={open ? { ...FRAME, ...PANEL } : FRAME}>
      <div style={BAR}>
        <button type="button" style={BUTTON} aria-expanded={open} onClick={() => setOpen(!open)}>
          Fluxwire {open ? '▾' : '▴'}
        </button>
        {open && <Network client={client} recorder={recorder} recorded={recorded} />}
      </div>
      {open && (
        <div style={COLUMNS}>
          <Stores stores={recorded.stores} />
          <Actions actions={recorded.actions} />
        </div>
      )}
    </aside>
  );
}

function Network({ client, recorder, recorded }: { client: Client; recorder: Recorder; recorded: Recorded }): ReactElement {
  const { connection } = client;
  const { state, code, reason } = useSyncExternalStore(connection.subscribe, connection.get, connection.get);
  const { offline, dropping, dropped } = recorded;
  const goOffline = (): void => {
    recorder.setOffline(!offline);
    if (offline) client.connect();
  };
  return (
    <>
      <span role="status">
        {[state, code, reason].filter((part) => part !== undefined && part !== '').join(' · ')}
        {dropping && ` · ${dropped} dropped`}
      </span>
      <button type="button" style={BUTTON} aria-pressed={offline} onClick={goOffline}>
        {offline ? 'Go online' : 'Go offline'}
      </button>
      <button type="button" style={BUTTON} aria-pressed={dropping} onClick={() => recorder.setDropping(!dropping)}>
        {dropping ? 'Let frames through' : 'Drop frames'}
      </button>
      <button type="button" style={BUTTON} onClick={recorder.clear}>
        Clear
      </button>
    </>
  );
}

function Stores({ stores }: { stores: readonly SeenStore[] }): ReactElement {
  const [chosen, setChosen] = useState<string>();
  const store = stores.find(({ key }) => key === chosen) ?? stores[0];
  return (
    <section aria-label="Stores" style={COLUMN}>
      <select style={BUTTON} aria-label="Store" value={store?.key ?? ''} onChange={({ target }) => setChosen(target.value)}>
        {stores.map(({ key, versions }) => (
          <option key={key} value={key}>{`${key} · ${versions.at(-1)?.version}`}</option>
        ))}
      </select>
      {store && <Versions key={store.key} store={store} />}
    </section>
  );
}

/** A store through the versions that came: the newest, unless one looks back. */
function Versions({ store: { versions } }: { store: SeenStore }): ReactElement | null {
  const [version, setVersion] = useState<number>();
  const found = versions.findIndex((one) => one.version === version);
  const at = found === -1 ? versions.length - 1 : found;
  const shown = versions[at];
  if (shown === undefined) return null;
  const before = versions[at - 1]?.document;
  return (
    <>
      <label style={BAR}>
        Version {shown.version}
        <input
          type="range"
          style={{ flex: 1 }}
          min={0}
          max={versions.length - 1}
          value={at}
          onChange={({ target }) => {
            const next = Number(target.value);
            setVersion(next === versions.length - 1 ? undefined : versions[next]?.version);
          }}
        />
        <time>{new Date(shown.at).toLocaleTimeString()}</time>
      </label>
      <ul style={LIST} aria-label="Difference">
        {shown.patch === undefined && <li>snapshot</li>}
        {shown.patch?.map((operation, index) => (
          <li key={index} style={{ color: COLOURS[operation.op] }}>
            {`${operation.op} ${operation.path}`}
            {operation.op !== 'add' && ` − ${brief(valueAt(before, operation.path))}`}
            {operation.op !== 'remove' && ` + ${brief(operation.value)}`}
          </li>
        ))}
      </ul>
      <pre style={DOCUMENT} tabIndex={0} aria-label="Document">
        {JSON.stringify(shown.document, undefined, 2)}
      </pre>
    </>
  );
}

function Actions({ actions }: { actions: readonly SeenAction[] }): ReactElement {
  const slowest = Math.max(1, ...actions.map(({ took = 0 }) => took));
  return (
    <section aria-label="Actions" style={COLUMN}>
      <ol style={LIST} tabIndex={0} aria-label="Time line, the newest first">
        {[...actions].reverse().map((action) => (
          <li key={`${action.number} ${action.at}`} style={{ padding: '4px 0' }}>
            <details>
              <summary>
                <time>{new Date(action.at).toLocaleTimeString()}</time> <strong>{action.name}</strong>{' '}
                <span style={{ color: COLOURS[action.status] }}>{action.status}</span>
                {action.took !== undefined && ` ${action.took} ms`}
                <span style={{ ...LATENCY, width: `${(100 * (action.took ?? slowest)) / slowest}%` }} />
              </summary>
              <pre style={DOCUMENT}>
                {JSON.stringify({ params: action.params, result: action.result, stores: action.stores }, undefined, 2)}
              </pre>
            </details>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** What stands at a JSON Pointer. */
function valueAt(document: Json | undefined, path: string): Json | undefined {
  const tokens = path.split('/').slice(1).map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  return tokens.reduce<Json | undefined>((node, token) => {
    if (Array.isArray(node)) return node[Number(token)];
    return isObject(node) && Object.hasOwn(node, token) ? node[token] : undefined;
  }, document);
}

function brief(value: Json | undefined): string {
  const text = JSON.stringify(value) ?? '';
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}

const COLOURS: Readonly<Record<string, string>> = {
  add: '#7bd88f',
  remove: '#ff9d9d',
  replace: '#ffd479',
  ok: '#7bd88f',
  refused: '#ff9d9d',
  invalid: '#ff9d9d',
  sent: '#ffd479',
};
const FRAME: CSSProperties = {
  position: 'fixed',
  zIndex: 2_147_483_000,
  insetInlineEnd: 12,
  bottom: 12,
  font: '12px/1.5 ui-monospace, Menlo, Consolas, monospace',
  color: '#e6ebe9',
  background: '#121716',
  borderRadius: 10,
};
const PANEL: CSSProperties = {
  insetInlineStart: 12,
  height: 'min(44vh, 420px)',
  display: 'flex',
  flexDirection: 'column',
  border: '1px solid #3a4643',
  boxShadow: '0 8px 30px rgb(0 0 0 / 35%)',
};
const BAR: CSSProperties = { display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: 8, padding: 6 };
const BUTTON: CSSProperties = {
  font: 'inherit',
  color: 'inherit',
  background: '#232b29',
  border: '1px solid #3a4643',
  borderRadius: 6,
  padding: '3px 9px',
};
const COLUMNS: CSSProperties = {
  flex: 1,
  minHeight: 0,
  display: 'grid',
  gridTemplateColumns: 'minmax(0, 3fr) minmax(0, 2fr)',
  gap: 12,
  padding: '0 8px 8px',
};
const COLUMN: CSSProperties = { minHeight: 0, display: 'flex', flexDirection: 'column' };
const LIST: CSSProperties = { margin: 0, padding: 0, listStyle: 'none', overflow: 'auto', overflowWrap: 'anywhere', maxHeight: '100%' };
const DOCUMENT: CSSProperties = {
  flex: 1,
  minHeight: 60,
  margin: '6px 0 0',
  padding: 6,
  overflow: 'auto',
  background: '#1a201f',
  borderRadius: 6,
};
const LATENCY: CSSProperties = { display: 'block', height: 3, minWidth: 3, background: '#2fa492', borderRadius: 2 };
