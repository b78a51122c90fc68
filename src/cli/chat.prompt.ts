// What a person gives to `millrace chat`: text that is piped in, and lines typed at a prompt. Knows nothing of models.
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

/** What is piped in, to its end, without the line break that ends it; '' in a terminal. */
export async function pipedText(): Promise<string> {
  return process.stdin.isTTY ? '' : (await text(process.stdin)).replace(/\r?\n$/, '');
}

/**
 * Asks for one message at a time; undefined when the person leaves. Several lines pasted at once are one message. Each time is an
 * interface of its own: between them the terminal is as usual, so that Ctrl-C is a signal while an answer runs.
 */
export function createPrompt(greeting: string): () => Promise<string | undefined> {
  let history: string[] = [];
  process.stderr.write(`${greeting}\n`);
  return () =>
    new Promise((resolve) => {
      const lines: string[] = [];
      const reader = createInterface({
        input: process.stdin,
        output: process.stderr,
        terminal: true,
        prompt: '> ',
        history,
      });
      let answered = false;
      reader.on('history', (now) => {
        history = now;
      });
      reader.on('line', (line) => {
        lines.push(line);
        // The lines of one paste come in one read, each as an event of its own.
        if (lines.length === 1) setImmediate(finish);
      });
      function finish(): void {
        answered = true;
        const message = [...lines, reader.line].join('\n').trim();
        if (reader.line !== '') process.stderr.write('\n');
        reader.close();
        resolve(message);
      }
      reader.on('SIGINT', () => reader.close());
      reader.on('close', () => {
        if (answered) return;
        process.stderr.write('\n');
        resolve(undefined);
      });
      reader.prompt();
    });
}
