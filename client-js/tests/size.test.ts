import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import type { OutputChunk } from 'rolldown';
import { expect, test } from 'vitest';

/**
 * The size of an entry with all it exports, minified and compressed, in bytes; React is the application's.
 *
 * What is loaded only when it is needed does not count.
 */
async function size(entry: string): Promise<number> {
  const bundle = await rolldown({ input: new URL(`../src/${entry}`, import.meta.url).pathname, external: /^react/ });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  const chunks = new Map(output.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file]] : [])));
  const loaded = new Set([output[0].fileName]);
  for (const name of loaded) for (const imported of chunks.get(name)?.imports ?? []) loaded.add(imported);
  const code = [...loaded].map((name) => (chunks.get(name) as OutputChunk | undefined)?.code ?? '').join('\n');
  return gzipSync(code, { level: 9 }).length;
}

test.each([
  ['index.ts', 9_000],
  ['react.ts', 2_048],
  ['ordered.ts', 1_300],
  ['persist.ts', 3_072],
  ['tabs.ts', 4_608],
] as const)('%s takes at most %i bytes', async (entry, limit) => {
  expect(await size(entry)).toBeLessThanOrEqual(limit);
});
