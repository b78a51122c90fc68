// Gemini's answers: chunks, each of them a whole response in small, as server-sent events or as the elements of one JSON array.
// Knows how things are said, not what or when: that is answer.ts and script.ts. No HTTP.
// https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
import { createHash, randomBytes } from 'node:crypto';
import type { Choice } from '../answer.ts';
import type { Plan } from '../plan.ts';
import { sign, signDigest } from '../signature.ts';
import type { Asked, Framer } from '../wire.ts';
import { type Form, refuse } from './errors.ts';
import { signedCall } from './rules.ts';

const REASONS = { stop: 'STOP', length: 'MAX_TOKENS', 'tool-calls': 'STOP', 'content-filter': 'SAFETY' };
const HALF = '{"candidates":[{"content":{"par';
const RATINGS = ['HATE_SPEECH', 'DANGEROUS_CONTENT', 'HARASSMENT', 'SEXUALLY_EXPLICIT'].map((harm, at) => ({
  category: `HARM_CATEGORY_${harm}`,
  probability: at === 0 ? 'HIGH' : 'NEGLIGIBLE',
  ...(at === 0 && { blocked: true }),
}));

/** A candidate as far as it was said. Calls are sent whole, so they are gathered here. */
interface Candidate {
  calls: { name: string; text: string }[];
  /** How many of the calls were sent. */
  sent: number;
  /** Over the text, where a model that thinks signs it. */
  hash: ReturnType<typeof createHash> | null;
}

export function createFramer(asked: Asked, plan: Plan, form: Form): Framer {
  const responseId = randomBytes(17).toString('base64url');
  const tail = `"modelVersion":${JSON.stringify(asked.model)},"responseId":"${responseId}"}`;
  const signs = plan.reasoning > 0;
  const candidates = Array.from(
    { length: asked.choices },
    (): Candidate => ({ calls: [], sent: 0, hash: signs ? createHash('sha256') : null }),
  );
  let said = 0;
  let thought = 0;
  let first = true;

  const usage = () => {
    const details = `"promptTokensDetails":[{"modality":"TEXT","tokenCount":${asked.promptTokens}}]`;
    // Counts of nothing are left out, as protocol buffers leave out zeros.
    return `"usageMetadata":{"promptTokenCount":${asked.promptTokens},${said > 0 ? `"candidatesTokenCount":${said},` : ''}"totalTokenCount":${asked.promptTokens + said + thought},${details}${thought > 0 ? `,"thoughtsTokenCount":${thought}` : ''}},`;
  };

  function frame(json: string): string {
    if (form === 'events') return `data: ${json}\r\n\r\n`;
    const before = first ? '[' : ',\r\n';
    first = false;
    return before + json;
  }

  function chunk(choice: number, parts: string, end = '', last = false): string {
    const counts = plan.usage === 'as-asked' || (plan.usage === 'with-finish' && last) ? usage() : '';
    return frame(
      `{"candidates":[{"content":{"parts":[${parts}],"role":"model"},${end}"index":${choice}}],${counts}${tail}`,
    );
  }

  /** The calls that are complete and not sent yet; one cut short by a limit never is. */
  function takeCalls(candidate: Candidate): string {
    const parts: string[] = [];
    for (; candidate.sent < candidate.calls.length; candidate.sent++) {
      const { name, text } = candidate.calls[candidate.sent]!;
      const args = parseArguments(text);
      if (args) parts.push(callPart(name, args, signs && candidate.sent === 0));
    }
    return parts.join(',');
  }

  return {
    contentType: form === 'events' ? 'text/event-stream' : 'application/json; charset=UTF-8',
    open: () => '',
    piece(choice, piece) {
      if (piece.kind === 'reasoning') thought++;
      else said++;
      const candidate = candidates[choice]!;
      switch (piece.kind) {
        case 'text':
        case 'refusal': // the API has none: a model that declines says so
          candidate.hash?.update(piece.text);
          return chunk(choice, `{"text":${JSON.stringify(piece.text)}}`);
        case 'reasoning':
          return chunk(choice, `{"text":${JSON.stringify(piece.text)},"thought":true}`);
        case 'call': {
          // Calls have no index here; what comes nearest to one for all is one chunk for all.
          const parts = plan.sameIndex ? '' : takeCalls(candidate);
          candidate.calls.push({ name: piece.name, text: '' });
          return parts === '' ? '' : chunk(choice, parts);
        }
        case 'arguments':
          candidate.calls.at(-1)!.text += piece.text;
          return '';
        default:
          return piece satisfies never;
      }
    },
    finish(choice, reason, tokens) {
      const candidate = candidates[choice]!;
      const last = tokens !== null;
      const signature =
        candidate.hash && candidate.calls.length === 0 ? signDigest(candidate.hash.digest('hex')) : null;
      const calls = takeCalls(candidate);
      if (reason === null) {
        const parts = calls || (signature && textPart('', signature));
        return parts ? chunk(choice, parts, '', last) : '';
      }
      return chunk(choice, calls || textPart('', signature), ending(reason), last);
    },
    usage: () => '',
    endMarker: () => (form === 'array' ? (first ? '[]' : '\r\n]') : ''),
    error() {
      const { body } = refuse({ kind: 'status', status: 500 });
      return form === 'events' ? body : `${frame(body)}]`;
    },
    garbage: () => (form === 'whole' ? HALF : frame(HALF)),
    comment: form === 'events' ? ': MOCK PROCESSING\n\n' : '',
    whole: ({ choices, tokens }) => {
      said = tokens.completion - tokens.reasoning;
      thought = tokens.reasoning;
      const all = choices.map((choice, index) => wholeCandidate(choice, index, signs)).join(',');
      const counts = plan.usage === 'never' ? '' : usage();
      return `${JSON.stringify(JSON.parse(`{"candidates":[${all}],${counts}${tail}`), null, 2)}\n`;
    },
  };
}

function wholeCandidate(choice: Choice, index: number, signs: boolean): string {
  const said = { text: '', reasoning: '' };
  const calls: { name: string; text: string }[] = [];
  for (let i = 0; i < choice.length; i++) {
    const piece = choice.piece(i);
    if (piece.kind === 'call') calls.push({ name: piece.name, text: '' });
    else if (piece.kind === 'arguments') calls[piece.call]!.text += piece.text;
    else said[piece.kind === 'reasoning' ? 'reasoning' : 'text'] += piece.text;
  }
  const parts: string[] = [];
  if (said.reasoning !== '') parts.push(`{"text":${JSON.stringify(said.reasoning)},"thought":true}`);
  if (said.text !== '' || calls.length === 0)
    parts.push(textPart(said.text, signs && calls.length === 0 ? sign(said.text) : null));
  for (const [at, { name, text }] of calls.entries()) {
    const args = parseArguments(text);
    if (args) parts.push(callPart(name, args, signs && at === 0));
  }
  const { finish } = choice;
  return `{"content":{"parts":[${parts}],"role":"model"},${finish ? ending(finish) : ''}"index":${index}}`;
}

/** A candidate's fields that say why it ended. */
function ending(finish: NonNullable<Choice['finish']>): string {
  const reason = `"finishReason":"${REASONS[finish]}",`;
  if (finish === 'tool-calls') return `${reason}"finishMessage":"Model generated function call(s).",`;
  return finish === 'content-filter' ? `${reason}"safetyRatings":${JSON.stringify(RATINGS)},` : reason;
}

function textPart(text: string, signature: string | null): string {
  return JSON.stringify({ text, ...(signature !== null && { thoughtSignature: signature }) });
}

/** Without an id: calls are matched by name and place. Only the first of several is signed. */
function callPart(name: string, args: Record<string, unknown>, signs: boolean): string {
  return JSON.stringify({
    functionCall: { name, args },
    ...(signs && { thoughtSignature: sign(signedCall(name, args)) }),
  });
}

function parseArguments(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
