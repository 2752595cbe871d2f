import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const modules = 'tests/react-18/node_modules';

// Properties take seconds, and more on a busy machine.
const testTimeout = 120_000;

/** A Chromium or Chrome, where tests/services.py finds one too. */
const executablePath = [
  ...['chromium', 'chromium-browser', 'google-chrome'].flatMap((name) =>
    (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)),
  ),
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
].find(existsSync);
if (executablePath === undefined) {
  const problem = 'There is no Chromium: client-js/tests/browser is SKIPPED, and so not proved here.';
  if (process.env['CI'] === 'true') throw new Error(`${problem} With CI=true nothing may be skipped.`);
  console.warn(problem);
}

const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** What only a real browser can say about locks, channels between tabs, and what a device keeps. */
const inBrowser = {
  test: {
    testTimeout: 30_000,
    name: 'chromium',
    include: ['tests/browser/*.test.ts'],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: { ...(executablePath && { executablePath }), args: FLAGS } }),
      instances: [{ browser: 'chromium' as const }],
    },
  },
};

export default defineConfig({
  test: {
    // A leftover warning of React is a fault of ours.
    onConsoleLog: (log) => {
      throw new Error(`unexpected output: ${log}`);
    },
    projects: [
      { test: { testTimeout, name: 'client', include: ['tests/*.test.{ts,tsx}'] } },
      {
        // The hooks once more, with the oldest React that they are for.
        resolve: {
          alias: {
            react: path(`${modules}/react`),
            'react-dom': path(`${modules}/react-dom`),
            // What it would take by default requires the other React.
            '@testing-library/react': path('node_modules/@testing-library/react/dist/@testing-library/react.esm.js'),
          },
        },
        test: {
          testTimeout,
          name: 'react 18',
          include: ['tests/*.test.tsx'],
          server: { deps: { inline: [/@testing-library/] } },
        },
      },
      ...(executablePath === undefined ? [] : [inBrowser]),
    ],
  },
});
