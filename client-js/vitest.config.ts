import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.{ts,tsx}'],
    // Properties take seconds, and more on a busy machine.
    testTimeout: 120_000,
    // A leftover warning of React is a fault of ours.
    onConsoleLog: (log) => {
      throw new Error(`unexpected output: ${log}`);
    },
  },
});
