// Before anything is measured: each participant's answer, read by an SSE parser and a JSON parser that are not ours, must be the
// upstream's text, to the letter. While measuring only tokens and terminals are counted, which is cheap.
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { textOf, withoutMarks } from './fixture.ts';
import type { Participant } from './participants.ts';

/** Throws, naming the participant, when an answer is not what it must be. */
export async function verify({ name, door }: Participant): Promise<void> {
  for (const [manner, tokens] of [
    ['paced', 70],
    ['flood', 1234],
  ] as const) {
    const events = await ask(`http://127.0.0.1:${door.port}${door.path}`, door.model, `${manner} ${tokens}`);
    const text = withoutMarks(events.map(tokenOf).join(''));
    const wrong =
      (text !== textOf(tokens) && 'another text than the upstream sent') ||
      (events.filter((event) => frameOf(event).startsWith(door.terminal)).length !== 1 && 'not one terminal') ||
      (!frameOf(events.at(-1)!).startsWith(door.terminal) && 'something after its terminal');
    if (wrong) throw new Error(`${name}: an answer to "${manner} ${tokens}" had ${wrong}.`);
  }
}

async function ask(url: string, model: string, content: string): Promise<EventSourceMessage[]> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer bench-key' },
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content }] }),
  });
  const events: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event) });
  parser.feed(await response.text());
  return events;
}

function frameOf({ event, data }: EventSourceMessage): string {
  return event === undefined ? `data: ${data}\n` : `event: ${event}\n`;
}

function tokenOf({ event, data }: EventSourceMessage): string {
  if (event === 'token') return JSON.parse(data).text;
  if (event !== undefined || data === '[DONE]') return '';
  return JSON.parse(data).choices[0]?.delta.content ?? '';
}
