import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { expect, test } from 'vitest';

/** The size of an entry with all it exports, minified and compressed, in bytes; React is the application's. */
async function size(entry: string): Promise<number> {
  const bundle = await rolldown({ input: new URL(`../src/${entry}`, import.meta.url).pathname, external: /^react/ });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  return gzipSync(output[0].code, { level: 9 }).length;
}

test.each([
  ['index.ts', 9_400],
  ['react.ts', 2_048],
  ['ordered.ts', 1_300],
  ['persist.ts', 2_048],
] as const)('%s takes at most %i bytes', async (entry, limit) => {
  expect(await size(entry)).toBeLessThanOrEqual(limit);
});
