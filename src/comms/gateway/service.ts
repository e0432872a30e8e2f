// The gateway: a node's service for senders and receivers of messages. The server is known by its pinned certificate; callers need none,
// because MACs authenticate their submissions, and outputs carry every node's signature.
import { digest, isRoundId, isSenderId, type NodeId, type RoundId, type SenderId } from '../../base/index.js';
import type { SignedRoundInfo } from '../../protocol/index.js';
import type { RegistrationDesk, RoundManager, SenderRegistry, Submission } from '../../round/index.js';
import { asBytes, type CallErrors, type grpc, PROTOCOL_VERSION, require_, services } from '../../transport/index.js';
import type { GatewayHandlers } from '../../transport/proto/generated/millrace/v1/Gateway.js';
import { encodeRound } from '../roundCodec.js';

/** Bytes of one frame of an output stream. */
const FRAME_BYTES = 64 * 1024 - 1024;

/** Digest that a node's identity key signs for its epoch key. */
export function descriptionDigest(network: string, node: NodeId, epoch: number, epochKey: Uint8Array): Uint8Array {
  return digest('node-description', network, node, epoch, epochKey);
}

interface GatewayDeps {
  readonly network: string;
  readonly node: NodeId;
  readonly identityKey: Uint8Array;
  readonly sign: (digest: Uint8Array) => Uint8Array;
  readonly registry: SenderRegistry;
  readonly registrations: RegistrationDesk;
  readonly manager: RoundManager;
  /** Rounds that take messages, here or elsewhere. */
  readonly collecting: () => readonly SignedRoundInfo[];
  /** Called on each request for these rounds. */
  readonly onWanted?: () => void;
}

function reference(round: number, sender: string): { readonly round: RoundId; readonly sender: SenderId } {
  require_(isRoundId(round), 'round');
  require_(isSenderId(sender), 'sender');
  return { round, sender };
}

export function addGatewayService(server: grpc.Server, errors: CallErrors, deps: GatewayDeps): void {
  const { network, node, identityKey, sign, registry, registrations, manager, collecting, onWanted = () => {} } = deps;
  let described: { readonly epoch: number; readonly signature: Uint8Array } | undefined;
  const handlers: GatewayHandlers = {
    Describe: errors.unary('Describe', () => {
      const { epoch, publicKey: epochKey } = registry;
      const registerBits = registrations.difficultyBits;
      // Signs once an epoch: anybody may ask, again and again.
      if (described?.epoch !== epoch) {
        described = { epoch, signature: sign(descriptionDigest(network, node, epoch, epochKey)) };
      }
      const { signature } = described;
      return { node, network, protocol: PROTOCOL_VERSION, identityKey, epoch, epochKey, signature, registerBits };
    }),
    Register: errors.unary('Register', async ({ senderKeys, epoch, nonces }, { origin }) => {
      const request = { senderKeys: senderKeys.map(asBytes), epoch, nonces: nonces.map(asBytes) };
      return { senders: await registrations.register(request, origin) };
    }),
    Rounds: errors.unary('Rounds', () => {
      onWanted();
      return { rounds: collecting().map(encodeRound) };
    }),
    Submit: errors.unary('Submit', async (request, { origin }) => {
      const { round, sender } = reference(request.round, request.sender);
      const submission: Submission = {
        sender,
        salt: asBytes(request.salt),
        payload: asBytes(request.payload),
        macs: request.macs.map(asBytes),
      };
      await manager.submit(round, submission, origin);
      return {};
    }),
    Outcome: errors.unary('Outcome', (request) => {
      const { round, sender } = reference(request.round, request.sender);
      const outcome = manager.outcome(round, sender, asBytes(request.salt));
      const reason = outcome.state === 'rejected' ? outcome.reason : outcome.state === 'failed' ? outcome.code : '';
      const resendable = 'resendable' in outcome && outcome.resendable;
      return { state: outcome.state, reason, node: outcome.state === 'rejected' ? outcome.node : '', resendable };
    }),
    Outputs: (call) => {
      streamOutputs(deps, call).catch((thrown) => call.emit('error', errors.status('Outputs', thrown)));
    },
  };
  server.addService(services.Gateway.service, handlers);
}

async function streamOutputs(deps: GatewayDeps, call: Parameters<GatewayHandlers['Outputs']>[0]): Promise<void> {
  const { round } = call.request;
  require_(isRoundId(round), 'round');
  const { outputs, digest: outputDigest, signatures, signed } = deps.manager.outputs(round);
  const header = {
    round: encodeRound(signed),
    digest: outputDigest,
    signatures: [...signatures],
    bytesTotal: outputs.length,
  };
  call.write({ header });
  // A cancelled call never drains.
  const cancelled = new Promise<void>((resolve) => call.once('cancelled', resolve));
  for (let offset = 0; offset < outputs.length && !call.cancelled; offset += FRAME_BYTES) {
    // A view: all callers share one copy, of which grpc-js copies a frame when it is the next one to be sent.
    const accepted = call.write({ content: outputs.subarray(offset, offset + FRAME_BYTES) });
    if (!accepted) await Promise.race([cancelled, new Promise((resolve) => call.once('drain', resolve))]);
  }
  if (!call.cancelled) call.end();
}
