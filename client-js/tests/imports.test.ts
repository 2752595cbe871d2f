import { expect, test } from 'vitest';

const texts = import.meta.glob('../src/*', { query: '?raw', import: 'default', eager: true }) as Record<string, string>;

/** What each file of a folder imports from it: values, types, and what is loaded later. */
function imports(files: Record<string, string>): Map<string, string[]> {
  const found = Object.entries(files).map(([path, text]): [string, string[]] => [
    path.slice(path.lastIndexOf('/') + 1),
    [...text.matchAll(/(?:\bfrom |\bimport\()'\.\/([^']+)'/g)].map(([, name = '']) => name),
  ]);
  return new Map(found);
}

/** The files left after those have gone, again and again, that import none which is left: they are in a circle, or import it. */
function circles(files: Record<string, string>): string[] {
  const graph = imports(files);
  for (let size = Infinity; graph.size < size; ) {
    size = graph.size;
    for (const [name, others] of graph) if (!others.some((other) => graph.has(other))) graph.delete(name);
  }
  return [...graph.keys()];
}

test('no file imports itself in a circle, be it for a type or later', () => {
  expect(Object.keys(texts).length).toBeGreaterThan(30);
  expect(circles(texts)).toEqual([]);
});

test.each(["import { b } from './b.ts';", "import type { B } from './b.ts';", "export * from './b.ts';", "void import('./b.ts');"])(
  'a circle by way of %s is found',
  (text) => expect(circles({ 'a.ts': text, 'b.ts': "import { a } from './a.ts';", 'c.ts': '' })).toEqual(['a.ts', 'b.ts']),
);
