// Attacks of strangers on a network: each kind by raw HTTP/2 from addresses of the attacker's choice, at a given rate. The
// attacker keeps no rule that a server does not enforce, and spends as little as possible on each call.

import { randomBytes } from 'node:crypto';
import http2 from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { systemRng } from '../../src/base/rng.js';
import { payloadDigest, SenderKey, type SenderSecret, submissionMac } from '../../src/cmix/senderKeys.js';
import { decodeRound } from '../../src/comms/roundCodec.js';
import { namedGroup } from '../../src/math/group.js';
import { roundDigest, type SignedRoundInfo } from '../../src/protocol/roundInfo.js';
import { type grpc, services } from '../../src/transport/grpc.js';

export const KINDS = [
  'freeKeys',
  'register',
  'outcome',
  'outputs',
  'rounds',
  'submitBodies',
  'submitBytes',
  'idleSessions',
  'silentHttp',
  'slowHttp',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Target {
  readonly node: string;
  readonly gateway: string;
  readonly team: string;
  readonly http: string;
}

export interface AttackPlan {
  readonly kind: Kind;
  readonly targets: readonly Target[];
  /** Local addresses: 127.0.0.x. */
  readonly addresses: readonly string[];
  /** Calls per second; for kinds that hold connections, the maximum of new ones. */
  readonly perS: number;
  /** Connections held open, for kinds that do so: closed ones are replaced. */
  readonly connections: number;
  /** Bytes of submissions per second, for the kind that is measured by them. */
  readonly bytesPerS: number;
  readonly seconds: number;
}

/** Result of an attack, for the report. */
export interface AttackCount {
  calls: number;
  answered: number;
  refused: number;
  connections: number;
  bytes: number;
}

type Method = 'Describe' | 'Register' | 'Rounds' | 'Submit' | 'Outcome' | 'Outputs';

/** Keys of an attacker that are used repeatedly; each is registered with every node. */
const KEYS = 50;
/** Payload of a submission that is much larger than a round's. */
const PAYLOAD_BYTES = 256 * 1024;
/** Requests for /metrics on one connection, sent at once. */
const PIPELINED = 16;
/** Limit of open calls with read answers per connection; further calls are not sent. */
const OPEN_MAX = 64;

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

const frame = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

const definitionOf = (method: Method) =>
  services.Gateway.service[method as never] as grpc.MethodDefinition<object, object>;

/** One address of an attacker at one node: a connection that is replaced when it is closed. */
class Caller {
  readonly #target: Target;
  readonly #address: string;
  readonly #count: AttackCount;
  #session: http2.ClientHttp2Session | undefined;
  #open = 0;

  constructor(target: Target, address: string, count: AttackCount) {
    this.#target = target;
    this.#address = address;
    this.#count = count;
  }

  get target(): Target {
    return this.#target;
  }

  #connected(): http2.ClientHttp2Session {
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session;
    const tcp = createConnection({
      host: '127.0.0.1',
      port: portOf(this.#target.gateway),
      localAddress: this.#address,
    });
    tcp.on('error', () => {});
    this.#count.connections++;
    const tls = connectTls({ socket: tcp, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    tls.on('error', () => {});
    const session = http2.connect('https://127.0.0.1', { createConnection: () => tls });
    session.on('error', () => {});
    this.#open = 0;
    this.#session = session;
    return session;
  }

  #request(method: Method, body: Uint8Array, end: boolean): http2.ClientHttp2Stream {
    const stream = this.#connected().request({
      ':method': 'POST',
      ':path': `/millrace.v1.Gateway/${method}`,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    });
    stream.on('error', () => {});
    stream.write(body);
    if (end) stream.end();
    this.#count.calls++;
    this.#count.bytes += body.length;
    return stream;
  }

  /** Makes a call and reads its answer; undefined if refused, or at the limit of open calls. */
  ask<Reply>(method: Method, message: object): Promise<Reply | undefined> {
    if (this.#open >= OPEN_MAX) return Promise.resolve(undefined);
    this.#open++;
    const definition = definitionOf(method);
    const stream = this.#request(method, frame(definition.requestSerialize(message)), true);
    return new Promise((resolve) => {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.once('close', () => {
        this.#open--;
        const body = Buffer.concat(parts);
        if (body.length < 5) {
          this.#count.refused++;
          return resolve(undefined);
        }
        this.#count.answered++;
        resolve(definition.responseDeserialize(body.subarray(5)) as Reply);
      });
    });
  }

  /** Makes a call and leaves it: not ended, or not read. */
  leave(method: Method, message: object, padding: number, end: boolean): void {
    if (this.#open >= 1_000) return;
    this.#open++;
    const whole = frame(definitionOf(method).requestSerialize(message));
    const body = padding > 0 ? Buffer.concat([frame(new Uint8Array(padding)).subarray(0, padding)]) : whole;
    const stream = this.#request(method, body, end);
    stream.pause();
    stream.once('close', () => {
      this.#open--;
    });
  }

  close(): void {
    this.#session?.destroy();
  }
}

interface Known {
  readonly key: SenderKey;
  readonly secrets: Map<string, SenderSecret>;
}

export class Attacker {
  readonly count: AttackCount = { calls: 0, answered: 0, refused: 0, connections: 0, bytes: 0 };
  readonly #plan: AttackPlan;
  readonly #callers: Caller[];
  readonly #sockets = new Set<Socket>();
  readonly #keys: Known[] = [];
  #rounds: SignedRoundInfo[] = [];
  #turn = 0;

  constructor(plan: AttackPlan) {
    this.#plan = plan;
    this.#callers = plan.addresses.flatMap((address) =>
      plan.targets.map((target) => new Caller(target, address, this.count)),
    );
  }

  /** Attacks for the planned time, at the planned rate. */
  async run(): Promise<void> {
    const { kind, seconds } = this.#plan;
    const perS = kind === 'submitBytes' ? this.#plan.bytesPerS / PAYLOAD_BYTES : this.#plan.perS;
    if (kind === 'freeKeys') await this.#register();
    const look = setInterval(() => void this.#lookForRounds(), 200);
    const startMs = performance.now();
    let done = 0;
    while (performance.now() - startMs < seconds * 1_000) {
      const due = Math.floor(((performance.now() - startMs) / 1_000) * perS);
      // Calls that were late are not sent later.
      done = Math.max(done, due - Math.ceil(perS / 4));
      for (; done < due; done++) this.#strike();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    clearInterval(look);
    for (const caller of this.#callers) caller.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  get #next(): Caller {
    return this.#callers[this.#turn++ % this.#callers.length]!;
  }

  async #register(): Promise<void> {
    for (let i = 0; i < KEYS; i++) this.#keys.push({ key: SenderKey.generate(systemRng), secrets: new Map() });
    for (const target of this.#plan.targets) {
      const caller = this.#callers.find((each) => each.target === target)!;
      const said = await caller.ask<{ epoch: number; epochKey: Uint8Array }>('Describe', {});
      if (!said) continue;
      for (let at = 0; at < KEYS; at += 32) {
        const senderKeys = this.#keys.slice(at, at + 32).map(({ key }) => key.publicKey);
        await caller.ask('Register', { senderKeys, epoch: said.epoch, nonces: [] });
      }
      for (const { key, secrets } of this.#keys) {
        secrets.set(target.node, key.agree(Uint8Array.from(said.epochKey), said.epoch));
      }
    }
  }

  async #lookForRounds(): Promise<void> {
    const reply = await this.#next.ask<{ rounds: never[] }>('Rounds', {});
    if (reply && reply.rounds.length > 0) this.#rounds = reply.rounds.map(decodeRound);
  }

  #strike(): void {
    const caller = this.#next;
    switch (this.#plan.kind) {
      case 'freeKeys':
        this.#submitBad();
        return;
      case 'register': {
        const senderKeys = Array.from({ length: 32 }, () => randomBytes(32));
        // The epoch is a node's start in seconds, which anyone can query: a wrong one would be refused at no cost.
        void this.#epochOf(caller).then((epoch) => caller.ask('Register', { senderKeys, epoch, nonces: [] }));
        return;
      }
      case 'outcome': {
        const round = this.#rounds[0]?.info.round ?? 1;
        void caller.ask('Outcome', { round, sender: randomBytes(32).toString('hex'), salt: randomBytes(16) });
        return;
      }
      case 'outputs': {
        const newest = Math.max(1, ...this.#rounds.map(({ info }) => info.round));
        caller.leave('Outputs', { round: Math.max(1, newest - 1 - (this.#turn % 4)) }, 0, true);
        return;
      }
      case 'rounds':
        void caller.ask('Rounds', {});
        return;
      case 'submitBodies':
        caller.leave('Submit', {}, 50_000, false);
        return;
      case 'submitBytes':
        void caller.ask('Submit', this.#largeSubmission());
        return;
      case 'idleSessions':
        if (this.#sockets.size >= this.#plan.connections) return;
        this.#encrypt(this.#hold(this.#turn++ % 2 === 0 ? caller.target.gateway : caller.target.team));
        return;
      case 'silentHttp':
        if (this.#sockets.size >= this.#plan.connections) return;
        this.#hold(caller.target.http);
        return;
      case 'slowHttp':
        if (this.#sockets.size >= this.#plan.connections) return;
        this.#askUnread(this.#hold(caller.target.http), caller.target.http);
    }
  }

  readonly #epochs = new Map<Target, Promise<number>>();

  #epochOf(caller: Caller): Promise<number> {
    const known = this.#epochs.get(caller.target);
    if (known) return known;
    const asked = caller.ask<{ epoch: number }>('Describe', {}).then((said) => said?.epoch ?? 0);
    this.#epochs.set(caller.target, asked);
    return asked;
  }

  /** A submission that is whole, and whose payload is far too large. */
  #largeSubmission() {
    const round = this.#rounds[0]?.info.round ?? 1;
    const sender = randomBytes(32).toString('hex');
    return { round, sender, salt: randomBytes(16), payload: Buffer.alloc(PAYLOAD_BYTES, 1), macs: [randomBytes(32)] };
  }

  /** A submission with MACs that only the round's first node finds valid. */
  #submitBad(): void {
    const round = this.#rounds[this.#turn % Math.max(1, this.#rounds.length)];
    const known = this.#keys[this.#turn % KEYS]!;
    if (!round) return;
    const { info } = round;
    const first = info.team[0]!;
    const callers = this.#callers.filter(({ target }) => target.node === first);
    const secret = known.secrets.get(first);
    if (callers.length === 0 || !secret) return;
    const payload = randomBytes(info.width * namedGroup(info.group).elementBytes);
    payload[payload.length - 1] = 0;
    const salt = randomBytes(16);
    const sender = known.key.senderId;
    const mac = submissionMac(secret, {
      roundDigest: roundDigest(info),
      ...{ sender, salt, payloadDigest: payloadDigest(payload) },
    });
    const macs = info.team.map((_, position) => (position === 0 ? mac : randomBytes(32)));
    void callers[this.#turn % callers.length]!.ask('Submit', { round: info.round, sender, salt, payload, macs });
  }

  /** A connection that is held, and silent. */
  #hold(address: string): Socket {
    const localAddress = this.#plan.addresses[this.#turn++ % this.#plan.addresses.length]!;
    const socket = createConnection({ host: '127.0.0.1', port: portOf(address), localAddress });
    this.count.connections++;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }

  #encrypt(socket: Socket): void {
    connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ['h2'] }).on('error', () => {});
  }

  /** Asks for many pages at once, and reads none. */
  #askUnread(socket: Socket, address: string): void {
    const requests = `GET /metrics HTTP/1.1\r\nHost: ${address}\r\n\r\n`.repeat(PIPELINED);
    socket.pause();
    socket.write(requests);
    this.count.calls += PIPELINED;
    this.count.bytes += requests.length;
  }
}
