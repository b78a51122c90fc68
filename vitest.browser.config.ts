// The page's tests: `npx vitest run --config vitest.browser.config.ts`. On their own, so that `npm test` needs no browser.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
