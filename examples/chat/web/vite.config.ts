import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// `npm run dev` serves the page with hot reload in front of a running stack.
const front = 'http://127.0.0.1:8000';

export default defineConfig({
  plugins: [react()],
  server: {
    // All that a front answers; it has to see the page's own host, which these leave as it is.
    proxy: {
      '/ws': { target: front, ws: true },
      '^/(guest|events|poll|stores|actions)\\b': { target: front },
    },
  },
});
