// One end of the link of `millrace bench link`: a process in a network namespace of its own, with a new identity. It reports its
// identity, sets the requested kernel settings, and then acts as the server or the client. Apart from both because it chooses
// one.
import { systemRng, toHex } from '../../base/index.js';
import { SigningKey } from '../../cmix/index.js';
import { createCertificate } from '../../transport/index.js';
import { clientAnswers } from './client.js';
import { answerAll } from './messages.js';
import { type OwnEnd, setSysctl } from './self.js';
import { serverAnswers } from './server.js';

/** Runs until the benchmark's process has ended. */
export async function runLinkEnd(role: 'client' | 'server'): Promise<void> {
  const own: OwnEnd = { key: SigningKey.generate(systemRng), certificate: await createCertificate('millrace', 1) };
  await answerAll({
    ...(role === 'server' ? serverAnswers(own) : clientAnswers(own)),
    hello: async ({ sysctls }) => {
      for (const [name, value] of Object.entries(sysctls)) setSysctl(name, value);
      return { identityKey: toHex(own.key.publicKey), certificate: own.certificate.certificate };
    },
  });
}
