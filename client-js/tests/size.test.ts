import { expect, test } from 'vitest';
import { size } from '../size.mjs';

test.each([
  ['index.ts', 8_192],
  ['react.ts', 2_048],
  ['ordered.ts', 768],
  ['persist.ts', 3_072],
  ['tabs.ts', 4_608],
] as const)('%s takes at most %i bytes', async (entry, limit) => {
  expect(await size(`src/${entry}`)).toBeLessThanOrEqual(limit);
});
