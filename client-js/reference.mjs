/**
 * Writes docs/client-reference.md out of the declarations and their comments: `npm run reference --workspace fluxwire` after a change of
 * them. With `--check` it only looks whether the page is current.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const page = join(here, '../docs/client-reference.md');

/** The names that a module exports, with the module that declares each; functions of a module's own come from itself. */
function exportsOf(text, module) {
  const found = [];
  for (const [, names, from] of text.matchAll(/^export (?:type )?\{([^}]*)\}(?: from '\.\/([^']+)')?;/gm)) {
    const source = from ?? undefined;
    for (const name of names.split(',').map((one) => one.trim()).filter((one) => one !== '')) {
      const imported = text.match(new RegExp(`import (?:type )?\\{[^}]*\\b${name}\\b[^}]*\\} from '\\./([^']+)'`));
      found.push({ name, module: (source ?? imported?.[1] ?? module).replace(/\.tsx?$/, '') });
    }
  }
  for (const [, name] of text.matchAll(DECLARED)) found.push({ name, module });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const DECLARED = /^export (?:declare )?(?:const|function|class|interface|type) (\w+)/gm;

/** A declaration with the comment above it, or nothing if the module has none of that name. */
function declaration(text, name) {
  const begin = text.match(new RegExp(`^(?:export )?(?:declare )?(?:const|function|class|interface|type) ${name}\\b`, 'm'));
  if (begin === null) throw new Error(`${name} is exported and nowhere declared`);
  const rest = text.slice(begin.index).replace(/^export (?:declare )?|^declare /, '');
  const end = rest.match(/^\S.*;$|^\}.*$/m);
  const code = rest.slice(0, end.index + end[0].length);
  const before = text.slice(0, begin.index).match(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/);
  return { code, comment: before === null ? '' : prose(before[1]) };
}

/** A comment as Markdown. */
function prose(comment) {
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\*? ?/, '').trimEnd());
  return lines
    .join('\n')
    .trim()
    .replace(/\{@link (?:\w+\.)?(\w+)\}/g, '`$1`')
    .replace(/^@param (\w+) - /gm, '- `$1`: ')
    .replace(/^@returns /gm, '- Returns: ')
    .replace(/^@throws /gm, '- Throws: ');
}

/** The page, made of the sources as they are. */
function reference() {
  const { exports } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  const folder = mkdtempSync(join(tmpdir(), 'fluxwire-reference-'));
  try {
    const compiler = join(here, '../node_modules/.bin/tsc');
    execFileSync(compiler, ['--project', join(here, 'tsconfig.build.json'), '--emitDeclarationOnly', '--outDir', folder]);
    const read = (module) => readFileSync(join(folder, `${module}.d.ts`), 'utf8');
    const parts = Object.entries(exports).map(([path, { default: file }]) => {
      const module = file.match(/(\w+)\.js$/)[1];
      const text = read(module);
      const about = text.match(/^(?:import[^;]*;\s*)*\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?=import|export \{)/);
      const entries = exportsOf(text, module).map(({ name, module: home }) => {
        const { code, comment } = declaration(read(home), name);
        return `### ${name}\n\n${comment === '' ? '' : `${comment}\n\n`}\`\`\`ts\n${code}\n\`\`\`\n`;
      });
      return `## ${path.replace('.', 'fluxwire')}\n\n${about === null ? '' : `${prose(about[1])}\n\n`}${entries.join('\n')}`;
    });
    const head = 'Made by `npm run reference` out of the comments in `client-js/src`; do not edit. [client.md](client.md) is the page to read first.';
    return `# The client's reference\n\n${head}\n\n${parts.join('\n')}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv.includes('--check')) {
  if (readFileSync(page, 'utf8') !== reference()) throw new Error('docs/client-reference.md is not current: npm run reference');
} else writeFileSync(page, reference());
