// What was used and what it cost: sums and single rows of the ledger. A key sees its own; an admin key, or a machine without
// keys, sees all.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Ledger, UsageGroup, UsageSum } from '../core/accounting.ts';
import { GatewayError } from '../core/errors.ts';
import type { AppState } from './state.ts';

const GROUPS = ['day', 'model', 'provider', 'key'] as const satisfies UsageGroup[];

/** A day (whole, UTC) or an instant, as Unix milliseconds. */
const instant = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'expected a date like 2026-01-31, or a time with its zone',
  })
  .transform((text) => Date.parse(text));

const sumsQuery = z.strictObject({
  from: instant.optional(),
  to: instant.optional(),
  by: z
    .string()
    .default('day,model')
    .transform((text, context) => {
      const groups = text.split(',').filter((group) => group !== '');
      if (groups.every((group): group is UsageGroup => (GROUPS as readonly string[]).includes(group)))
        return [...new Set(groups)];
      context.addIssue({ code: 'custom', message: `expected some of ${GROUPS.join(', ')}, with commas between` });
      return z.NEVER;
    }),
  key: z.string().optional(),
  format: z.enum(['json', 'csv']).default('json'),
});

const rowsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().optional(),
  key: z.string().optional(),
});

export function mountUsage(app: FastifyInstance, state: AppState, csv: (sums: UsageSum[]) => string): void {
  app.get('/v1/usage', async (request, reply) => {
    const { format, ...query } = parse(sumsQuery, request.query);
    const sums = await state.ledger.sums({ ...query, key: await scope(request, state, query.key) });
    if (format === 'json') return { data: sums };
    return reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', 'attachment; filename="millrace-usage.csv"')
      .send(csv(sums));
  });

  app.get('/v1/usage/requests', async (request): Promise<Awaited<ReturnType<Ledger['page']>>> => {
    const query = parse(rowsQuery, request.query);
    return state.ledger.page({ ...query, key: await scope(request, state, query.key) });
  });
}

/** The key whose rows may be seen; undefined for all. */
async function scope(
  request: FastifyRequest,
  { configured }: AppState,
  asked: string | undefined,
): Promise<string | undefined> {
  const key = await configured.keyring.identify(request);
  if (!key || key.admin) return asked;
  if (asked !== undefined && asked !== key.name)
    throw new GatewayError('forbidden', 'This key may see its own usage only.');
  return key.name;
}

function parse<T extends z.ZodType>(schema: T, query: unknown): z.output<T> {
  const result = schema.safeParse(query);
  if (result.success) return result.data;
  const { path, message, code } = result.error.issues[0]!;
  const name = code === 'unrecognized_keys' ? '' : `${path.join('.')}: `;
  throw new GatewayError('invalid_request', `${name}${message}`, { param: path.join('.') || undefined });
}
