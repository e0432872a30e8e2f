// The scheduler service on the wire: a stream of updates down to each node, reports up. It knows nothing of scheduling; the feed behind
// it does. The pinned certificate identifies a node.
import type { NodeId } from '../../base/index.js';
import type { Member, NodeReport, SignedUpdate } from '../../protocol/index.js';
import { type AuthContext, type CallErrors, grpc, require_, services } from '../../transport/index.js';
import type { SchedulerHandlers } from '../../transport/proto/generated/millrace/v1/Scheduler.js';
import type { Update as WireUpdate } from '../../transport/proto/generated/millrace/v1/Update.js';
import { decodeReport, encodeUpdate } from '../roundCodec.js';

/** A scheduler's services for the nodes that are connected to it. */
export interface SchedulerFeed {
  /** Calls `push` with every present and future update above `after`, in order; returns a function that ends this. */
  subscribe(node: NodeId, after: number, push: (update: SignedUpdate) => void): () => void;
  /** Resolves when the consequences of the report are stored: only then it is acknowledged. */
  onReport(node: NodeId, report: NodeReport): Promise<void> | void;
  /** @throws MixError REGISTRATION_REFUSED, REGISTRATION_LIMIT */
  register(node: NodeId, code: string): Promise<void>;
}

interface SchedulerServiceDeps {
  readonly feed: SchedulerFeed;
  readonly identify: (context: AuthContext) => Member;
  /** Called with a node's clock, as it says it in each of its reports. */
  readonly onTime?: (node: NodeId, wallMs: number) => void;
}

/** Registration codes are short: a person reads them out. */
const CODE_LENGTH_MAX = 256;

/** Updates that a node may leave unread before its stream is ended; the node then asks again from its last update on. */
const BACKLOG_MAX = 1_000;

/** A call's stream, to which updates are written. */
export interface UpdateStream {
  /** False if the update waits to be read. */
  write(update: WireUpdate): boolean;
  end(): void;
  once(event: 'cancelled' | 'error' | 'close', listener: () => void): unknown;
}

export function addSchedulerService(server: grpc.Server, errors: CallErrors, deps: SchedulerServiceDeps): void {
  const { feed, identify, onTime = () => {} } = deps;
  const handlers: SchedulerHandlers = {
    Updates: (call) => {
      try {
        const { node } = identify(call.getAuthContext());
        const { after } = call.request;
        require_(Number.isSafeInteger(after) && after >= 0, 'after');
        // Sends headers at once, so that the node knows that it is connected before there is any update.
        call.sendMetadata(new grpc.Metadata());
        pushUpdates(feed, node, after, call);
      } catch (thrown) {
        call.emit('error', errors.status('Updates', thrown));
      }
    },
    Report: errors.unary('Report', async (request, context) => {
      const { node } = identify(context);
      if (request.timeMs > 0) onTime(node, request.timeMs);
      await feed.onReport(node, decodeReport(node, request));
      return {};
    }),
    Register: errors.unary('Register', async ({ code }, context) => {
      require_(code.length > 0 && code.length <= CODE_LENGTH_MAX, 'code');
      await feed.register(identify(context).node, code);
      return {};
    }),
  };
  server.addService(services.Scheduler.service, handlers);
}

/** Writes updates as they come, until the node leaves, or leaves too many unread. */
export function pushUpdates(
  feed: SchedulerFeed,
  node: NodeId,
  after: number,
  call: UpdateStream,
  backlogMax = BACKLOG_MAX,
): void {
  let backlog = 0;
  let over = false;
  const stop = () => {
    over = true;
    unsubscribe();
  };
  let unsubscribe = () => {};
  for (const event of ['cancelled', 'error', 'close'] as const) call.once(event, stop);
  unsubscribe = feed.subscribe(node, after, (update) => {
    if (over) return;
    backlog = call.write(encodeUpdate(update)) ? 0 : backlog + 1;
    if (backlog <= backlogMax) return;
    stop();
    call.end();
  });
  // The stream may be over already: the updates that were kept for a late node can be too many at once.
  if (over) unsubscribe();
}
