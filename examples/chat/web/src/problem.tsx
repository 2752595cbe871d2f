import { createContext, useCallback, useContext, useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import { sentence } from './sentence.ts';

const SHOWN_MS = 8_000;

const Report = createContext<(error: unknown) => void>(() => undefined);

/** Shows what went wrong last, for a while: refused actions above all. */
export function Problems({ children }: { children: ReactNode }) {
  const [problem, setProblem] = useState<{ text: string }>();
  const report = useCallback((error: unknown) => {
    setProblem({ text: sentence(error) });
  }, []);

  useEffect(() => {
    const timer = setTimeout(() => setProblem(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [problem]);

  return (
    <Report value={report}>
      {children}
      <div className="toasts" role="alert">
        {problem && (
          <p className="toast">
            {problem.text}
            <button className="plain" onClick={() => setProblem(undefined)} aria-label="Dismiss">
              ×
            </button>
          </p>
        )}
      </div>
    </Report>
  );
}

/** A function for the `catch` of an action. */
export function useReport(): (error: unknown) => void {
  return useContext(Report);
}
