// The page's backend: hands a chat on to Millrace with the key that the browser must not have, and the answer back as it comes.
// Put your own sign-in in front of it. What a visitor may ask for is limited by the key: `keys[].models` in millrace.yaml.

/** What a browser needs of Millrace's headers. `no-transform` in `cache-control` also keeps Next from gzipping each token. */
const HANDED_ON = [
  'cache-control',
  'content-type',
  'millrace-stream-id',
  'retry-after',
  'x-accel-buffering',
  'x-vercel-ai-ui-message-stream',
];

export async function POST(request: Request): Promise<Response> {
  const { MILLRACE_URL = 'http://127.0.0.1:8787', MILLRACE_KEY } = process.env;
  let answer: Response;
  try {
    answer = await fetch(`${MILLRACE_URL}/v1/ui/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(MILLRACE_KEY && { authorization: `Bearer ${MILLRACE_KEY}` }) },
      body: await request.text(),
      signal: request.signal, // the visitor's stop, or a closed tab, ends the answer at the provider too
    });
  } catch {
    // In the form of Millrace's own errors, so that the page needs to know one only. A visitor who has left does not read it.
    const error = {
      code: 'upstream_unavailable',
      message: 'The chat is not available at the moment.',
      retryable: true,
    };
    return Response.json({ error }, { status: 503 });
  }
  const headers = new Headers();
  for (const name of HANDED_ON) {
    const value = answer.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(answer.body, { status: answer.status, headers }); // refusals too, with their status and their words
}
