// The page, built once into dist/web: from a clone by `npm start`, for the package by `npm pack`.
import { defineConfig } from 'vite';

export default defineConfig({
  root: 'src/web',
  base: './', // at whatever prefix it is mounted
  build: { outDir: '../../dist/web', emptyOutDir: true, target: 'es2023' },
  logLevel: 'warn',
});
