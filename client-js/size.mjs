/** What an entry costs whoever loads a page: `size('src/index.ts')`. For the test that bounds it, and for the benchmark. */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

/**
 * The size of an entry with all it exports, bundled as an application's, minified and compressed, in bytes.
 *
 * React is the application's. What is loaded only when it is needed does not count.
 */
export async function size(entry) {
  const input = fileURLToPath(new URL(entry, import.meta.url));
  // As in an application's bundle, what is loaded later may use what is there already.
  const bundle = await rolldown({ input, external: /^react/, preserveEntrySignatures: 'allow-extension' });
  // Comments for bundlers still to come are not shipped.
  const { output } = await bundle.generate({ format: 'esm', minify: true, comments: false });
  const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const loaded = new Set([output[0].fileName]);
  for (const name of loaded) for (const imported of chunks.get(name)?.imports ?? []) loaded.add(imported);
  const code = [...loaded].map((name) => chunks.get(name)?.code ?? '').join('\n');
  return gzipSync(code, { level: 9 }).length;
}
