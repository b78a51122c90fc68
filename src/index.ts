// What `import … from 'millrace'` gives: the plugin for a fastify app, and the server for a program that starts one. The client is
// `millrace/client`.
export type { Config } from './config/load.ts';
export { type Millrace, StartError, type StartOptions, start } from './main.ts';
export { type Caller, type MillraceOptions, millrace } from './plugin.ts';
