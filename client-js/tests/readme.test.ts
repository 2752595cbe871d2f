import { expect, test } from 'vitest';
import readme from '../README.md?raw';
import example from './readme-example.tsx?raw';

const files = Object.keys(import.meta.glob('../src/*.ts')).map((path) => path.replace('../', ''));

test('the example of the README is the one that the compiler checks', () => {
  expect(readme).toContain(`\`\`\`tsx\n${example}\`\`\``);
});

test('the README names every file that has something to say', () => {
  const quiet = ['src/id.ts', 'src/index.ts', 'src/json.ts', 'src/refs.ts', 'src/token.ts'];
  expect(files.filter((file) => !readme.includes(`(${file})`)).sort()).toEqual(quiet);
});
