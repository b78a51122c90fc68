// A request that came in this wire's own words: sent on as it is but for the model, the fields that this provider refuses, and what in
// its contents only another model or another of the two services would take. Knows the body's own names; no chat request.
// https://ai.google.dev/api/generate-content#request-body
import type { Content } from '@google/genai';
import type { Translation, Verbatim } from '../../core/contracts.ts';
import { readRequest } from '../translate.ts';
import { signCurrentTurn } from './contents.ts';
import { traitsOf } from './models.ts';
import { type GeminiRequestConfig, isVertex, pathOf } from './request.ts';

export function adoptRequest(config: GeminiRequestConfig, { body }: Verbatim, model: string): Translation {
  const vertex = isVertex(config.baseUrl);
  const sent: Record<string, unknown> = {
    ...body,
    model: pathOf(model, vertex, readRequest({ model, messages: [] }, 'gemini')),
  };
  const dropped = (config.drop ?? []).filter((field) => field !== 'model' && sent[field] != null);
  for (const field of dropped) delete sent[field];
  const contents = ((body.contents ?? []) as Content[]).map((content) => copyOf(content, vertex));
  if (traitsOf(model).signed) signCurrentTurn(contents);
  return { body: { ...sent, contents }, dropped };
}

/** The body is the request's own and may be sent again to another provider. Calls that another model made have ids. */
function copyOf(content: Content, vertex: boolean): Content {
  if (!content.parts) return content;
  return {
    ...content,
    parts: content.parts.map((part) => {
      const copy = { ...part };
      if (vertex && copy.functionCall) copy.functionCall = { ...copy.functionCall, id: undefined };
      if (vertex && copy.functionResponse) copy.functionResponse = { ...copy.functionResponse, id: undefined };
      return copy;
    }),
  };
}
