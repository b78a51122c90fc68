// What the official SDK would write to a socket. Shared by the tests of this wire.
import {
  BedrockRuntimeClient,
  type BedrockRuntimeClientConfig,
  ConverseStreamCommand,
  type ConverseStreamCommandInput,
} from '@aws-sdk/client-bedrock-runtime';

export interface Captured {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

export async function capture(
  config: BedrockRuntimeClientConfig,
  input: ConverseStreamCommandInput,
): Promise<Captured> {
  let captured: Captured | undefined;
  const requestHandler = {
    async handle({ method, path, headers, body }: { body: Uint8Array } & Omit<Captured, 'body'>): Promise<never> {
      const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
      captured = { method, path, headers: lower, body: new TextDecoder().decode(body) };
      throw new Error('captured');
    },
  };
  const client = new BedrockRuntimeClient({
    region: 'us-east-1',
    maxAttempts: 1,
    ...config,
    requestHandler: requestHandler as unknown as NonNullable<BedrockRuntimeClientConfig['requestHandler']>,
  });
  await client.send(new ConverseStreamCommand(input)).catch(() => undefined);
  client.destroy();
  if (!captured) throw new Error('the SDK sent nothing');
  return captured;
}
