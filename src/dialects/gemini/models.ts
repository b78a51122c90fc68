// The list of models as Google's clients read it, page by page. Knows this shape; where the models are from is not asked.
// https://ai.google.dev/api/models
import type { Call, Dialect, NamedModel } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';

const METHODS = ['generateContent', 'streamGenerateContent', 'countTokens'];

function describe({ id }: NamedModel): object {
  return { name: `models/${id}`, displayName: id, supportedGenerationMethods: METHODS };
}

/** As the API: a wish for more is no fault, the page has no more than this. */
const MOST = 1000;

function sizeOf({ pageSize, page_size }: Call['query']): number {
  const size = Number(pageSize ?? page_size ?? 0);
  if (Number.isInteger(size) && size >= 0) return Math.min(size || 50, MOST);
  throw new GatewayError('invalid_request', 'pageSize: expected a whole number', { param: 'pageSize' });
}

/** A page goes on behind the last model of the one before, by its name: the list may have changed between the two. */
const tokenOf = ({ id }: NamedModel) => Buffer.from(id).toString('base64url');

function startOf(models: NamedModel[], { pageToken, page_token }: Call['query']): number {
  const token = pageToken ?? page_token;
  if (!token) return 0;
  const last = models.findIndex((model) => tokenOf(model) === token);
  if (last !== -1) return last + 1;
  throw new GatewayError('invalid_request', 'pageToken: expected one of this list', { param: 'pageToken' });
}

function list(models: NamedModel[], { query }: Call): unknown {
  const from = startOf(models, query);
  const page = models.slice(from, from + sizeOf(query));
  const last = page.at(-1);
  const isMore = last !== undefined && last !== models.at(-1);
  return { models: page.map(describe), ...(isMore && { nextPageToken: tokenOf(last) }) };
}

export const models: Dialect['models'] = {
  paths: ['/v1beta/models', '/v1/models'],
  /** Its clients say who they are, or at least bring their key in a header of their own. */
  serves: ({ headers }) => headers['x-goog-api-client'] !== undefined || headers['x-goog-api-key'] !== undefined,
  list,
  describe,
};
