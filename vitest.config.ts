import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/browser/**', 'test/python/**', 'test/servers/**'], // each has a config of its own
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
