import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('docs/client-reference.md is made of the comments as they are', () => {
  const script = fileURLToPath(new URL('../reference.mjs', import.meta.url));
  expect(execFileSync(process.execPath, [script, '--check']).toString()).toBe('');
});
