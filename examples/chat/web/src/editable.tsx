import { useRef, useState } from 'react';
import type { FormEvent, KeyboardEvent, ReactNode } from 'react';

interface Props {
  /** The text before. */
  value: string;
  /** What is edited, for those who cannot see it. */
  label: string;
  maxLength: number;
  /** True if it may only be read. */
  disabled?: boolean;
  onSave: (value: string) => void;
  /** How it looks while it is only read. */
  children: ReactNode;
}

/** A text with a button to change it in place: Enter saves, Escape leaves it as it was. */
export function Editable({ value, label, maxLength, disabled = false, onSave, children }: Props) {
  const [draft, setDraft] = useState<string>();
  const button = useRef<HTMLButtonElement>(null);

  const done = () => {
    setDraft(undefined);
    requestAnimationFrame(() => button.current?.focus());
  };
  const save = (event: FormEvent) => {
    event.preventDefault();
    const text = (draft ?? '').trim();
    if (text !== '' && text !== value) onSave(text);
    done();
  };
  const leave = (event: KeyboardEvent) => {
    if (event.key === 'Escape') done();
  };

  if (draft === undefined) {
    return (
      <div className="editable">
        {children}
        {!disabled && (
          <button ref={button} className="plain pencil" onClick={() => setDraft(value)} aria-label={label} title={label}>
            <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
              <path d="m3 13 .7-3L11 2.7 13.3 5 6 12.3z" fill="none" stroke="currentColor" strokeLinejoin="round" />
            </svg>
          </button>
        )}
      </div>
    );
  }
  return (
    <form className="editable" onSubmit={save}>
      <input
        aria-label={label}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={leave}
        onFocus={(event) => event.target.select()}
        maxLength={maxLength}
        autoFocus
      />
      <button className="primary small">Save</button>
    </form>
  );
}
