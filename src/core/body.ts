// Reading a short upstream body whole, for the message of an error. Knows the response contract only.
import type { UpstreamResponse } from './contracts.ts';

/** Never rejects: whatever came is the message. Bodies past `limit` bytes are cut there. */
export function readText(response: UpstreamResponse, limit = 64 * 1024): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = () => resolve(Buffer.concat(chunks).toString('utf8'));
    response.start({
      data(chunk) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > limit) {
          response.abort();
          finish();
        }
      },
      end: finish,
      error: finish,
    });
  });
}
