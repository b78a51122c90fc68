// The list of models as Anthropic's clients read it, page by page. Knows this shape; where the models are from is not asked.
// https://platform.claude.com/docs/en/api/models/list
import type { Call, Dialect, NamedModel } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';

/** The API's words for a model whose release is not known: "may be set to an epoch value". */
const UNKNOWN_RELEASE = '1970-01-01T00:00:00Z';

function describe({ id }: NamedModel): { id: string } & Record<string, unknown> {
  return { type: 'model', id, display_name: id, created_at: UNKNOWN_RELEASE };
}

function limitOf({ limit }: Call['query']): number {
  const count = Number(limit || 20);
  if (Number.isInteger(count) && count >= 1 && count <= 1000) return count;
  throw new GatewayError('invalid_request', 'limit: expected a whole number from 1 to 1000', { param: 'limit' });
}

function placeOf(models: NamedModel[], query: Call['query'], param: 'after_id' | 'before_id'): number | undefined {
  const id = query[param];
  if (!id) return undefined;
  const at = models.findIndex((model) => model.id === id);
  if (at === -1) throw new GatewayError('invalid_request', `${param}: no model here has this id`, { param });
  return at;
}

function list(models: NamedModel[], { query }: Call): unknown {
  const limit = limitOf(query);
  const before = placeOf(models, query, 'before_id');
  const after = placeOf(models, query, 'after_id');
  // Going back, the page is the one right before, and there is more if it does not reach the beginning.
  const from = before === undefined ? (after ?? -1) + 1 : Math.max(0, before - limit);
  const to = before ?? Math.min(models.length, from + limit);
  const data = models.slice(from, to).map(describe);
  return {
    data,
    has_more: before === undefined ? to < models.length : from > 0,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  };
}

export const models: Dialect['models'] = {
  paths: ['/v1/models'],
  /** The API demands this header, so that all its clients send it; the key's header is also others'. */
  serves: ({ headers }) => headers['anthropic-version'] !== undefined,
  list,
  describe,
};
