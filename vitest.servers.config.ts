import { defineConfig } from 'vitest/config';

// What needs servers beside Millrace, which the tests start themselves: they must be installed. Without MILLRACE_SERVERS they would be skipped.
export default defineConfig({
  test: {
    include: ['test/servers/**/*.test.ts'],
    env: { MILLRACE_SERVERS: 'required' },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
