// The receiving end: a node's team listener, once with wide windows and once with the default ones, whose receiver takes a batch
// and acknowledges it. TLS, handshake, tokens, streams and codecs are a node's; a round's work on a batch is left out.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { type BootId, systemClock, systemRng } from '../../base/index.js';
import { silentLog } from '../../base/log.js';
import { createMetrics } from '../../base/metrics.js';
import { addTeamService } from '../../comms/index.js';
import { type BatchSink, type LinkReceiver, Membership, type SignedTeamMessage } from '../../protocol/index.js';
import { addHandshakeService, CallAuthenticator, listen } from '../../transport/index.js';
import { SERVER_ADDRESS } from './forwarder.js';
import type { Answers } from './messages.js';
import type { LinkWindows } from './plan.js';
import { asMember, NETWORK, type OwnEnd } from './self.js';
import { servedWindows, servingWith } from './windows.js';

/** A node's value. */
const IDLE_MS = 120_000;

/** Keeps the last batch received, in chunks or in one message. */
class Keeper implements LinkReceiver {
  #parts: Uint8Array[] = [];

  async onMessage(_from: string, { message }: SignedTeamMessage): Promise<void> {
    if (message.kind === 'keyShare') this.#parts = [message.share];
  }

  onBatch(): BatchSink {
    const parts: Uint8Array[] = [];
    return {
      chunk: (index, bytes) => {
        parts[index] = bytes;
      },
      end: async () => {
        this.#parts = parts;
      },
    };
  }

  onScreen(): readonly [] {
    return [];
  }

  onPing(): BootId {
    return '0'.repeat(32) as BootId;
  }

  onCircle(): void {}

  /** Returns the hash of its batch, to compare with the sent one, and forgets the batch. */
  take(): string {
    const hash = createHash('sha256');
    for (const part of this.#parts.splice(0)) hash.update(part);
    return hash.digest('hex');
  }
}

/** Counts the bytes of a connection and answers with the count at its end. */
function listenPlain(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let bytes = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.on('end', () => socket.end(String(bytes)));
    socket.on('error', () => {});
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, SERVER_ADDRESS, () => resolve((server.address() as { port: number }).port));
  });
}

export function serverAnswers({ key, certificate }: OwnEnd): Answers {
  const keeper = new Keeper();
  return {
    serve: async ({ client }) => {
      const membership = new Membership(0, [asMember(client, `${SERVER_ADDRESS}:1`)]);
      const self = { id: key.nodeId, sign: (digest: Uint8Array) => key.sign(digest) };
      const ports = { clock: systemClock, rng: systemRng };
      const authenticator = new CallAuthenticator({ network: NETWORK, self, membership: () => membership, ...ports });
      const options = {
        address: `${SERVER_ADDRESS}:0`,
        certificate,
        authenticate: (call: Parameters<CallAuthenticator['admit']>[0]) => void authenticator.admit(call),
        log: silentLog,
      };
      const serve = async (windows: LinkWindows) => {
        const listener = await servingWith(windows, () =>
          listen({ ...options, metrics: createMetrics() }, (server, errors) => {
            addHandshakeService(server, errors, authenticator);
            addTeamService(server, errors, {
              receiver: keeper,
              identify: (context) => authenticator.identify(context),
              idleMs: IDLE_MS,
            });
          }),
        );
        return listener.port;
      };
      return { wide: await serve('wide'), default: await serve('default'), plain: await listenPlain() };
    },
    received: async () => ({ digest: keeper.take(), ...servedWindows() }),
  };
}
