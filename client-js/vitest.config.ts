import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.{ts,tsx}'],
    // A leftover warning of React is a fault of ours.
    onConsoleLog: (log) => {
      throw new Error(`unexpected output: ${log}`);
    },
  },
});
