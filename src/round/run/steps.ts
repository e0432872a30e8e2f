// The steps of a round on one node, in their order. A step starts when the machine asks for it (machine/reducer.ts), takes its
// inputs from the machine and from earlier steps, and reports its end to the machine. The computations are in precompute.ts and
// realtime.ts.
import { type Deferred, deferred, MixError, toHex } from '../../base/index.js';
import type { TableJudge } from '../../cmix/index.js';
import { type BatchPhase, encodeOpening } from '../../protocol/index.js';
import type { IncomingBatch } from '../exchange/batches.js';
import type { MixCommit, PlainMessage, RoundEvent, Task, Work } from '../machine/state.js';
import { blame, type RoundContext } from './context.js';
import type { Precompute, Standby } from './precompute.js';
import type { Realtime, RoundOutputs } from './realtime.js';

interface StepsDeps {
  readonly context: RoundContext;
  readonly precompute: Precompute;
  readonly realtime: Realtime;
  readonly dispatch: (event: RoundEvent) => void;
  /** A step has failed: the round cannot go on. */
  readonly onFailed: (what: Task | BatchPhase, thrown: unknown) => void;
  /** Sends the batch of a phase to its receivers. */
  readonly transfer: (phase: BatchPhase) => void;
  /** Yields the thread. */
  readonly pause: () => Promise<void>;
  /** Records the round, synced, before its first realtime byte. */
  readonly reserveRealtime: () => Promise<void>;
}

type WorkFor<T extends Task> = Work & { readonly task: T };
type Ring = 'precompDecrypt' | 'realtimeDecrypt';

/** Input of a ring; undefined at the first node. */
interface RingInput {
  readonly incoming: IncomingBatch | undefined;
}

/** The machine's requests, each once, with their inputs. */
class Orders {
  readonly #all: Pick<Deferred<never>, 'settled' | 'reject'>[] = [];
  readonly keyShare = this.#order<void>();
  readonly teamKey = this.#order<WorkFor<'teamKey'>>();
  readonly generate = this.#order<void>();
  readonly precompDecrypt = this.#order<RingInput>();
  readonly precompPermute = this.#order<void>();
  readonly shares = this.#order<WorkFor<'shares'>>();
  readonly judgeTable = this.#order<WorkFor<'judgeTable'>>();
  readonly settleTable = this.#order<WorkFor<'settleTable'>>();
  readonly slotKeys = this.#order<void>();
  readonly realtimeDecrypt = this.#order<RingInput>();
  readonly realtimePermute = this.#order<void>();
  readonly openShares = this.#order<MixCommit>();
  readonly outputs = this.#order<WorkFor<'outputs'>>();

  #order<T>(): Deferred<T> {
    const order = deferred<T>();
    this.#all.push(order);
    return order;
  }

  give(work: Work): void {
    switch (work.task) {
      case 'teamKey':
        this.teamKey.resolve(work);
        return;
      case 'shares':
        this.shares.resolve(work);
        return;
      case 'judgeTable':
        this.judgeTable.resolve(work);
        return;
      case 'settleTable':
        this.settleTable.resolve(work);
        return;
      case 'outputs':
        this.outputs.resolve(work);
        return;
      default:
        this[work.task].resolve();
    }
  }

  /** Rejects the requests that have not come. */
  abort(reason: MixError): void {
    for (const order of this.#all) if (!order.settled) order.reject(reason);
  }
}

/** The result of a step, for the machine: the message that this node sends, and the digest by which members compare it. */
interface Report {
  readonly say?: PlainMessage;
  readonly digest?: Uint8Array;
}

export class Steps {
  readonly #deps: StepsDeps;
  readonly #orders = new Orders();
  /** Product of c⁻¹ and of x′ and the shares, as far as they are in. */
  #product: Promise<Uint8Array> | undefined;
  #factors = 0;
  #judged: TableJudge | undefined;
  #outputs: RoundOutputs | undefined;
  /** The results of the precomputation. */
  readonly standby: Promise<Standby>;

  constructor(deps: StepsDeps) {
    this.#deps = deps;
    this.standby = this.#precompute();
    // Nothing is lost here: #taken gives every failure of a step to onFailed, and a step that waits for a failed one ends with it.
    Promise.all([this.standby, this.#mix(this.standby)]).catch(() => {});
  }

  /** The proposed table as judged by this node, once it is. */
  get judged(): TableJudge | undefined {
    return this.#judged;
  }

  /** The outputs, once computed. */
  get outputs(): RoundOutputs | undefined {
    return this.#outputs;
  }

  give(work: Work): void {
    this.#orders.give(work);
  }

  runRing(phase: Ring, incoming: IncomingBatch | undefined): void {
    this.#orders[phase].resolve({ incoming });
  }

  openShares(mixCommit: MixCommit): void {
    this.#orders.openShares.resolve(mixCommit);
  }

  /**
   * Multiplies a member's shares (already checked against its commitment) or x′ (checked when all is in) into the outputs while
   * other batches are on their way.
   */
  accumulate(phase: 'mixed' | 'opening', from: number): void {
    const { context, realtime } = this.#deps;
    const factor = context.whole(phase, from);
    const before = this.#product ?? this.standby.then(({ inversePayload }) => inversePayload);
    const product = before.then((factors) => realtime.accumulate(factors, factor));
    // Nothing is lost here: the step `outputs` awaits the product, and gets the error.
    product.catch(() => {});
    this.#product = product;
    this.#factors++;
  }

  /** Ends the round: no step starts any more, and the product is of no use, or already in the outputs. */
  end(reason: MixError): void {
    this.#orders.abort(reason);
    this.#product = undefined;
  }

  async #precompute(): Promise<Standby> {
    const { precompute } = this.#deps;
    const { keyShare, teamKey, generate, precompDecrypt, precompPermute, shares } = this.#orders;
    const { own, drawn } = await this.#step(
      'keyShare',
      keyShare,
      async () => ({ own: await precompute.makeKeyShare(), drawn: this.#drawAhead() }),
      ({ own: { encoded } }) => ({ say: { kind: 'keyShare', share: encoded } }),
    );
    const key = await this.#step(
      'teamKey',
      teamKey,
      ({ shares: all }) => precompute.combine(all),
      ({ digest }) => ({ say: { kind: 'sharesDigest', digest }, digest }),
    );
    // These run at the same time: the ring takes each chunk as soon as it is encrypted.
    const generated = this.#step('generate', generate, () => precompute.generate(drawn, key), nothing);
    this.#ring('precompDecrypt', precompDecrypt, ({ incoming }) => precompute.runRing(drawn, incoming));
    this.#step('precompPermute', precompPermute, () => precompute.permute(drawn), nothing);
    const revealed = await this.#step(
      'shares',
      shares,
      ({ reveal }) => precompute.makeShares(own, reveal),
      ({ commitment, reveal: { root, signature } }) => ({
        say: { kind: 'commitment', cipherDigest: root, revealSignature: signature, commitment },
        digest: root,
      }),
    );
    return { ...revealed, generated: await generated, key };
  }

  /** Draws r, s, y, y′ and π; g^y is computed in the background. */
  #drawAhead() {
    const { precompute } = this.#deps;
    const drawn = precompute.draw();
    precompute.raiseHeads(drawn).catch((thrown) => this.#deps.onFailed('generate', thrown));
    return drawn;
  }

  async #mix(whenStandby: Promise<Standby>): Promise<void> {
    const { context, realtime, pause, reserveRealtime } = this.#deps;
    const { judgeTable, settleTable, slotKeys, realtimeDecrypt, realtimePermute, openShares, outputs } = this.#orders;
    const standby = await whenStandby;
    const { generated } = standby;
    const proposed = await this.#step(
      'judgeTable',
      judgeTable,
      async ({ proposal: { table, payloads }, digest, signature }) => {
        const judged = await realtime.judge(table, pause);
        this.#judged = judged;
        return { table, payloads, digest, signature, rejections: judged.rejections };
      },
      ({ digest, signature, rejections }) => ({
        say: { kind: 'tableVerdict', proposalDigest: digest, proposalSignature: signature, rejections },
        digest,
      }),
    );
    const settled = await this.#step(
      'settleTable',
      settleTable,
      async ({ verdicts }) => {
        const left = realtime.settle(proposed, verdicts);
        await reserveRealtime();
        return left;
      },
      ({ digest }) => ({ say: { kind: 'tableSignature', digest }, digest }),
    );
    const dummies = this.#step(
      'slotKeys',
      slotKeys,
      async () => {
        // Lets the signature under the table leave first: all others wait for it.
        await pause();
        return await realtime.deriveKeys(settled, generated.r);
      },
      nothing,
    );
    this.#ring('realtimeDecrypt', realtimeDecrypt, ({ incoming }) =>
      realtime.runRing(settled, proposed.payloads, incoming),
    );
    this.#step(
      'realtimePermute',
      realtimePermute,
      () => realtime.permute(generated),
      // The first node sends H(x′).
      () => (context.isFirst ? { say: { kind: 'mixCommit', digest: context.outgoing('mixed').root() } } : {}),
    );
    this.#taken('opening', openShares, async (mixCommit) => this.#open(standby, mixCommit));
    await this.#step(
      'outputs',
      outputs,
      async (work) => {
        this.#outputs = await this.#unblind(work, standby, await dummies);
        return this.#outputs;
      },
      ({ digest }) => ({ say: { kind: 'outputSignature', digest }, digest }),
    );
  }

  /** @throws MixError EQUIVOCATION, and those of {@link Realtime.decode} */
  async #unblind(
    { mixDigest, openings }: WorkFor<'outputs'>,
    standby: Standby,
    dummies: ReadonlySet<string>,
  ): Promise<RoundOutputs> {
    const { context, realtime } = this.#deps;
    context.ports.onProgress('identify', 0.5);
    // Every opening carries node 1's signature under the mix commitment it followed, checked on arrival.
    for (const { extra } of openings) {
      if (toHex(extra.mixDigest) !== toHex(mixDigest)) throw blame('EQUIVOCATION', 0, 'two mix commitments');
    }
    if (!this.#product || this.#factors !== context.size + 1)
      throw new MixError('INTERNAL', { what: 'factors', got: this.#factors });
    return await realtime.decode(await this.#product, standby, dummies, openings);
  }

  /** Sends D_i, σ_i and the nonce to all members. */
  #open({ shares, nonce, proof }: Standby, { digest: mixDigest, signature: mixSignature }: MixCommit): void {
    const { context, transfer, dispatch } = this.#deps;
    context.ports.onProgress('identify', 0);
    const out = context.outgoing('opening');
    out.bytes.set(shares);
    out.readyAll();
    const trailer = context.sign('opening', encodeOpening({ nonce, mixDigest, mixSignature, proof }));
    out.finish(trailer);
    transfer('opening');
    dispatch({ type: 'batchIn', phase: 'opening', from: context.facts.position, trailer });
  }

  /** Runs this node's part of a decrypt ring. */
  #ring(phase: Ring, order: Deferred<RingInput>, run: (input: RingInput) => Promise<void>): void {
    const { context, dispatch } = this.#deps;
    this.#taken(phase, order, async (input) => {
      await run(input);
      // The machine must know that this part is done before a peer can answer to it.
      dispatch({ type: 'ringDone', phase });
      if (!context.isLast) context.outgoing(phase).finish(context.sign(phase));
    });
  }

  /** A step whose end is reported to the machine. */
  #step<Order, Made>(
    task: Task,
    order: Deferred<Order>,
    work: (order: Order) => Promise<Made>,
    report: (made: Made) => Report,
  ): Promise<Made> {
    return this.#taken(task, order, async (asked) => {
      const made = await work(asked);
      const { say, digest } = report(made);
      this.#deps.dispatch({ type: 'worked', task, say, digest: digest && toHex(digest) });
      return made;
    });
  }

  /** Starts a step once it is requested, unless the round is over by then. A failing step ends the round. */
  #taken<Order, Made>(
    what: Task | BatchPhase,
    order: Deferred<Order>,
    work: (order: Order) => Promise<Made>,
  ): Promise<Made> {
    const { context, onFailed } = this.#deps;
    const made = order.promise.then((asked) => {
      if (context.ports.signal.aborted) throw new MixError('ABORTED', { what });
      return work(asked);
    });
    // Callers that await the step get the error, too.
    made.catch((thrown) => onFailed(what, thrown));
    return made;
  }
}

/** The report of a step whose result only this node needs. */
const nothing = (): Report => ({});
