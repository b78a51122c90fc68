// A provider package of the AI SDK whose API answers with the parts of the specification themselves, a line of JSON each: whatever
// a package might stream can so be recorded, and comes to Millrace over a socket, as that of a real package does.
export function createParts({ baseURL, fetch }) {
  return (modelId) => ({
    specificationVersion: 'v4',
    provider: 'parts.chat',
    modelId,
    async doStream({ abortSignal }) {
      const body = JSON.stringify({ model: modelId });
      const response = await fetch(`${baseURL}/parts`, { method: 'POST', body, signal: abortSignal });
      return { stream: response.body.pipeThrough(new TextDecoderStream()).pipeThrough(parts()) };
    },
  });
}

function parts() {
  let tail = '';
  return new TransformStream({
    transform(text, controller) {
      const lines = (tail + text).split('\n');
      tail = lines.pop();
      for (const line of lines) controller.enqueue(JSON.parse(line));
    },
  });
}
